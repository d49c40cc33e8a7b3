"""The handlers of the job queue and its dead-letter queue: partial failures and their log."""

import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from handlers import dead_letter, zipper
from tests.support.builders import ready_job, submission
from zipjobs.errors import JobBusy
from zipjobs.jobs.job import Submission
from zipjobs.wiring import lifecycle, worker

CONTEXT: Any = SimpleNamespace(
    aws_request_id="the-request", get_remaining_time_in_millis=lambda: 1000
)


def event(*bodies: str) -> dict[str, Any]:
    """Return an SQS event with the messages m0, m1, …, which are received for the second time."""
    return {
        "Records": [
            {
                "messageId": f"m{number}",
                "receiptHandle": f"r{number}",
                "body": body,
                "attributes": {"ApproximateReceiveCount": "2"},
            }
            for number, body in enumerate(bodies)
        ]
    }


def message(job_id: str) -> str:
    return submission(job_id=job_id).model_dump_json(by_alias=True)


def failures(response: Any) -> list[str]:
    return [item["itemIdentifier"] for item in response["batchItemFailures"]]


def log(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def fails_for(**errors: Exception) -> Callable[..., Any]:
    """Return a function that raises the error of a submission's job, if it has one."""

    def run(submission: Submission, *_: object) -> Any:
        if submission.job_id in errors:
            raise errors[submission.job_id]
        return ready_job(job_id=submission.job_id)

    return run


@pytest.fixture
def retries(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """Make the zipper fail for the jobs ``busy`` and ``broken``. Return the retry delays."""
    delays: dict[str, int] = {}
    errors = {"busy": JobBusy("busy", retry_after_seconds=7), "broken": ZeroDivisionError()}
    dependencies = SimpleNamespace(
        runner=SimpleNamespace(run=fails_for(**errors)),
        queue=SimpleNamespace(retry_in=delays.__setitem__),
    )
    monkeypatch.setattr(worker, "zipper_dependencies", lambda: dependencies)
    return delays


def test_only_failed_messages_are_retried(retries: dict[str, int]) -> None:
    bodies = message("fine"), message("busy"), "not a message", message("broken"), message("fine")
    assert failures(zipper.handler(event(*bodies), CONTEXT)) == ["m1", "m2", "m3"]
    assert retries == {"r1": 7, "r2": 10, "r3": 10}


def test_an_entire_batch_can_fail(
    retries: dict[str, int],
) -> None:
    assert failures(zipper.handler(event(message("busy")), CONTEXT)) == ["m0"]


def test_log_lines_name_the_job_of_their_message(
    retries: dict[str, int], capsys: pytest.CaptureFixture[str]
) -> None:
    zipper.handler(event(message("busy"), "not a message", message("broken")), CONTEXT)
    lines = log(capsys)
    assert [line.get("job_id") for line in lines] == ["busy", None, "broken"]
    assert [line.get("exception_name") for line in lines] == [None, None, "ZeroDivisionError"]
    assert {line["function_request_id"] for line in lines} == {"the-request"}


def test_a_dead_letter_without_a_job_is_deleted(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fail = fails_for(busy=JobBusy("busy"))
    monkeypatch.setattr(lifecycle, "finalizer", lambda: SimpleNamespace(fail_exhausted=fail))
    bodies = message("fine"), "not a message", message("busy")
    assert failures(dead_letter.handler(event(*bodies), CONTEXT)) == ["m2"]
    assert [line.get("job_id") for line in log(capsys)] == ["fine", None, "busy"]
