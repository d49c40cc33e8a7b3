"""What a function's log looks like, as CloudWatch gets it."""

import json
import logging
import threading
from types import SimpleNamespace
from typing import Any

import pytest

from zipjobs.telemetry import log_keys, start_logging


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_a_line_is_json_and_says_which_job_and_which_invocation(
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


def test_so_is_a_line_of_another_thread_and_of_another_library(
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


def test_an_invocation_does_not_inherit_the_job_of_the_one_before(
    capsys: pytest.CaptureFixture[str],
) -> None:
    start_logging(None)
    log_keys.append_keys(job_id="the-job")
    start_logging(None)
    logging.getLogger("zipjobs.handlers").info("Reconciliation")
    (line,) = lines(capsys)
    assert "job_id" not in line


def test_what_others_send_is_not_logged_at_any_level(capsys: pytest.CaptureFixture[str]) -> None:
    """At DEBUG botocore logs the requests that it sends, with all that is in them."""
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.DEBUG)  # as Lambda does for a function whose level is DEBUG
    try:
        start_logging(None)
        logging.getLogger("botocore.endpoint").debug("Sending %s", {"body": "all of it"})
    finally:
        root.setLevel(level)
    assert lines(capsys) == []


def test_an_error_takes_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    start_logging(None)
    try:
        raise ValueError("no")
    except ValueError:
        logging.getLogger("zipjobs.handlers").exception("It failed")
    (line,) = lines(capsys)
    assert line["exception_name"] == "ValueError"
    assert 'raise ValueError("no")' in line["exception"]
