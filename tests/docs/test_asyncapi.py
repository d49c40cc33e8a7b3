"""``docs/asyncapi.yaml`` is current, valid, and true."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.support.described import problems_of_event
from tests.support.npm import install_locked
from tools.asyncapi import FILE, description, example, text
from zipjobs.jobs.events import DETAIL_TYPES
from zipjobs.jobs.job import FINAL_STATUSES, Status

HERE = Path(__file__).parent
BUILD = HERE.parents[1] / "build" / "asyncapi"
WARNING = 1
"""What is graver has a lower number: Spectral's severities."""


def parsed() -> Any:
    """What AsyncAPI's own parser says of the file. It is fetched from npm once."""
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


def test_the_file_is_what_the_models_say() -> None:
    assert FILE.read_text() == text(), "write it anew: make docs"


def test_asyncapis_own_parser_finds_nothing_wrong() -> None:
    found = parsed()
    assert [one for one in found["diagnostics"] if one["severity"] <= WARNING] == []
    assert found["messages"] == ["zipJobReady", "zipJobFailed", "zipJobCancelled"]


def test_every_end_has_its_message() -> None:
    titles = {message["title"] for message in description()["components"]["messages"].values()}
    assert titles == set(DETAIL_TYPES.values())
    assert set(DETAIL_TYPES) == FINAL_STATUSES


@pytest.mark.parametrize("status", sorted(FINAL_STATUSES))
def test_the_examples_are_as_described(status: Status) -> None:
    assert list(problems_of_event(example(status))) == []


def test_what_is_not_as_described_is_noticed() -> None:
    """Otherwise the other tests would show nothing."""
    event = example(Status.READY)
    assert list(problems_of_event({**event, "detail-type": "Zip Job Failed"}))
    assert list(problems_of_event({**event, "detail": {**event["detail"], "more": 1}}))
    event["detail"]["archives"][0]["size"] = "large"
    assert list(problems_of_event(event))


def test_the_page_about_events_shows_the_same_examples() -> None:
    page = (FILE.parent / "events.md").read_text()
    shown = [json.loads(block.partition("```")[0]) for block in page.split("```json\n")[1:]]
    ready, failed = example(Status.READY), example(Status.FAILED)
    assert shown == [ready, failed["detail"]["error"]], "copy them from tools/asyncapi.py"
