import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from zipjobs.jobs.job import Submission, Trigger
from zipjobs.jobs.messages import UnknownMessage, parse_message
from zipjobs.requests.storage import ObjectRef

EVENTS = Path(__file__).resolve().parents[2] / "support/events"


def object_created(**changes: Any) -> str:
    event = json.loads((EVENTS / "object_created.json").read_text())
    found = event["detail"]["object"]
    found |= {name.replace("_", "-"): value for name, value in changes.items()}
    event["detail"]["object"] = {k: v for k, v in found.items() if v is not None}
    return json.dumps(event)


def test_a_message_survives_a_round_trip() -> None:
    submission = Submission(
        job_id="job-1",
        trigger=Trigger.API,
        request=ObjectRef(bucket="b", key="requests/job-1.json", version_id="v1"),
        submitted_at=datetime(2026, 11, 23, tzinfo=UTC),
    )
    assert parse_message(submission.model_dump_json(by_alias=True)) == submission


def test_an_event_about_a_manifest_becomes_a_job() -> None:
    submission = parse_message(object_created())
    assert submission.trigger is Trigger.MANIFEST
    assert submission.request == ObjectRef(
        bucket="manifests-bucket",
        key="manifests/q3 invoices.json",
        version_id="IYV3p45BT0ac8hjHg1houSdS1a.Mro8e",
    )
    assert submission.submitted_at == datetime(2026, 11, 12, tzinfo=UTC)


def test_ids_of_manifest_jobs_never_change() -> None:
    assert parse_message(object_created()).job_id == "9bde7fd3-a79c-5074-b3ff-6eacc62aaa67"


def test_a_duplicate_event_is_the_same_job() -> None:
    doubled = json.loads(object_created())
    doubled["id"] = "another"
    assert parse_message(json.dumps(doubled)).job_id == parse_message(object_created()).job_id


@pytest.mark.parametrize("change", [{"version_id": "other"}, {"key": "manifests/other.json"}])
def test_another_version_or_key_is_another_job(change: dict[str, str]) -> None:
    assert parse_message(object_created(**change)).job_id != parse_message(object_created()).job_id


def test_without_versions_sequencer_and_etag_identify_uploads() -> None:
    def job_id(**changes: Any) -> str:
        return parse_message(object_created(version_id=None, **changes)).job_id

    assert job_id() == job_id()
    assert len({job_id(), job_id(sequencer="other"), job_id(etag="other")}) == 3
    assert parse_message(object_created(version_id=None)).request.etag is not None


@pytest.mark.parametrize("body", ["", "{}", "[]", '{"jobId": "x"}', '{"detail-type": "x"}'])
def test_other_messages_are_unknown(body: str) -> None:
    with pytest.raises(UnknownMessage):
        parse_message(body)
