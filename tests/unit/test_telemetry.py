"""The format of log lines."""

import json
import logging
import threading
from types import SimpleNamespace
from typing import Any

import pytest

from zipjobs.telemetry import log_keys, start_logging


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_a_line_is_json_with_job_and_request_id(
    capsys: pytest.CaptureFixture[str],
) -> None:
    start_logging(SimpleNamespace(aws_request_id="the-request"))
    log_keys.append_keys(job_id="the-job")
    logging.getLogger("zipjobs.worker.job_runner").info("Job %s: started", "the-job")
    (line,) = lines(capsys)
    assert line["job_id"] == "the-job"
    assert line["function_request_id"] == "the-request"
    assert line["message"] == "Job the-job: started"
    assert (line["level"], line["name"]) == ("INFO", "zipjobs.worker.job_runner")


def test_lines_of_threads_and_libraries_have_the_job_id(
    capsys: pytest.CaptureFixture[str],
) -> None:
    start_logging(None)
    log_keys.append_keys(job_id="the-job")
    log = logging.getLogger("botocore.credentials").warning
    thread = threading.Thread(target=log, args=("They expire",))
    thread.start()
    thread.join()
    (line,) = lines(capsys)
    assert (line["job_id"], line["message"]) == ("the-job", "They expire")


def test_the_job_id_is_removed_before_the_next_invocation(
    capsys: pytest.CaptureFixture[str],
) -> None:
    start_logging(None)
    log_keys.append_keys(job_id="the-job")
    start_logging(None)
    logging.getLogger("zipjobs.handlers").info("Reconciliation")
    (line,) = lines(capsys)
    assert "job_id" not in line


def test_requests_of_libraries_are_never_logged(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """At level DEBUG, botocore logs whole requests."""
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.DEBUG)  # as Lambda does if the function's log level is DEBUG
    try:
        start_logging(None)
        logging.getLogger("botocore.endpoint").debug("Sending %s", {"body": "the body"})
    finally:
        root.setLevel(level)
    assert lines(capsys) == []


def test_an_exception_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    start_logging(None)
    try:
        raise ValueError("no")
    except ValueError:
        logging.getLogger("zipjobs.handlers").exception("It failed")
    (line,) = lines(capsys)
    assert line["exception_name"] == "ValueError"
    assert 'raise ValueError("no")' in line["exception"]
