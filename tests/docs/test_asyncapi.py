"""``docs/asyncapi.yaml`` is up to date, is valid, and describes the events."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.support.event_schema import event_problems
from tests.support.npm import install_locked
from tools.asyncapi import FILE, description, example, text
from zipjobs.jobs.events import DETAIL_TYPES
from zipjobs.jobs.job import FINAL_STATUSES, Status

HERE = Path(__file__).parent
BUILD = HERE.parents[1] / "build" / "asyncapi"
WARNING = 1
"""Severity of a warning in Spectral. Errors have a lower number."""


def parsed() -> Any:
    """Return the results of AsyncAPI's own parser, which npm installs once."""
    for tool in ("node", "npm"):
        if shutil.which(tool) is None:
            if os.environ.get("CI"):
                pytest.fail(f"{tool} is not installed; CI must have it")
            pytest.skip(f"{tool} is not installed")
    install_locked(HERE / "asyncapi", BUILD)
    shutil.copy(HERE / "asyncapi" / "parse.mjs", BUILD)
    return json.loads(_run("node", "parse.mjs", str(FILE)))


def _run(*command: str) -> str:
    done = subprocess.run(command, cwd=BUILD, capture_output=True, check=False, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_file_is_up_to_date() -> None:
    assert FILE.read_text() == text(), "Run `make docs`."


def test_the_asyncapi_parser_accepts_the_file() -> None:
    result = parsed()
    assert [found for found in result["diagnostics"] if found["severity"] <= WARNING] == []
    assert result["messages"] == ["zipJobReady", "zipJobFailed", "zipJobCancelled"]


def test_every_final_status_has_a_message() -> None:
    titles = {message["title"] for message in description()["components"]["messages"].values()}
    assert titles == set(DETAIL_TYPES.values())
    assert set(DETAIL_TYPES) == FINAL_STATUSES


@pytest.mark.parametrize("status", sorted(FINAL_STATUSES))
def test_the_examples_match_the_description(status: Status) -> None:
    assert list(event_problems(example(status))) == []


def test_events_that_do_not_match_are_noticed() -> None:
    event = example(Status.READY)
    assert list(event_problems({**event, "detail-type": "Zip Job Failed"}))
    assert list(event_problems({**event, "detail": {**event["detail"], "more": 1}}))
    event["detail"]["archives"][0]["size"] = "large"
    assert list(event_problems(event))


def test_the_events_page_shows_the_same_examples() -> None:
    page = (FILE.parent / "events.md").read_text()
    shown = [json.loads(block.partition("```")[0]) for block in page.split("```json\n")[1:]]
    ready, failed = example(Status.READY), example(Status.FAILED)
    assert shown == [ready, failed["detail"]["error"]], (
        "Copy the examples of tools/asyncapi.py to docs/events.md."
    )
