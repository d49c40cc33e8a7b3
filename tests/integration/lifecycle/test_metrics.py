"""Metrics in the log, in CloudWatch's embedded metric format."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.integration.conftest import Put
from tests.integration.worker_setup import Workers
from tests.support.builders import finished_archive, submission
from zipjobs.lifecycle.metrics import NAMESPACE


def metric_lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """Return the lines in the format that the CloudWatch User Guide specifies."""
    logged = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    lines = [line for line in logged if "_aws" in line]
    for line in lines:
        (directive,) = line["_aws"]["CloudWatchMetrics"]
        assert directive["Namespace"] == NAMESPACE
        assert directive["Dimensions"] == [["service"]]
        assert all(metric["Name"] in line for metric in directive["Metrics"])
    return lines


def values(line: dict[str, Any]) -> dict[str, float]:
    (directive,) = line["_aws"]["CloudWatchMetrics"]
    return {metric["Name"]: line[metric["Name"]][0] for metric in directive["Metrics"]}


def test_a_ready_job_is_counted_with_its_size_and_duration(
    workers: Workers, put: Put, capsys: pytest.CaptureFixture[str]
) -> None:
    put("a/two.pdf", b"2" * 2000)
    job = workers.run(workers.submit({"keys": ["a/one.pdf", "a/two.pdf"]}))
    (line,) = metric_lines(capsys)
    assert (line["service"], line["job_id"], line["trigger"]) == ("zip-jobs", "job-1", "api")
    found = values(line)
    assert (found["JobsReady"], found["Entries"], found["Parts"], found["Segments"]) == (1, 2, 1, 1)
    assert found["BytesZipped"] == job.archives[0].size
    assert found["RunningSeconds"] >= 0
    assert "JobsFailed" not in found


def test_a_failed_job_is_counted_with_its_code(
    workers: Workers, capsys: pytest.CaptureFixture[str]
) -> None:
    workers.run(workers.submit({"keys": ["a/none.pdf"]}))
    (line,) = metric_lines(capsys)
    assert values(line) == {"JobsFailed": 1}
    assert line["code"] == "SOURCE_NOT_FOUND"


def test_a_job_with_a_repeated_message_is_counted_once(
    workers: Workers, capsys: pytest.CaptureFixture[str]
) -> None:
    message = workers.submit()
    workers.run(message)
    workers.run(message)
    assert len(metric_lines(capsys)) == 1


def test_the_reconciler_counts_stuck_jobs_even_if_there_are_none(
    workers: Workers, capsys: pytest.CaptureFixture[str]
) -> None:
    workers.reconciler.reconcile()
    long_ago = datetime.now(UTC) - timedelta(days=1)
    workers.create_record(submission(submitted_at=long_ago))
    workers.store._clock = lambda: datetime.now(UTC) + timedelta(days=1)
    workers.reconciler.reconcile()
    first, second = metric_lines(capsys)
    assert values(first) == {"JobsStuck": 0}
    assert values(second) == {"JobsStuck": 1}
    assert (second["sent"], second["given_up"], second["left"]) == (1, 0, 0)


@pytest.mark.parametrize(("etag", "parts"), [('"0123abcd-17"', 17), ('"0123abcd"', 1)])
def test_the_number_of_parts_is_read_from_the_etag(etag: str, parts: int) -> None:
    assert finished_archive(etag=etag).parts == parts
