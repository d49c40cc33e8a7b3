"""Run the README's examples: all lines with `$`, while `make local` runs."""

import os
import re
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.e2e.stack import ROOT, background
from tests.support.waiting import WAIT_SECONDS, wait_for

PORTS = (8700, 8701)

_SECTION = re.compile(r"^## Using it\n(.*?)^## ", re.MULTILINE | re.DOTALL)
_BLOCK = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)

_CHANGING_VALUES = (
    (re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"), "ID"),
    (re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z"), "TIME"),
    (re.compile(r"CRC-32 [0-9a-f]{8}"), "CRC"),
    (re.compile(r"[\d.]+ [kM]?B/s"), "RATE"),
    (re.compile(r"[\d.]+ (seconds|s|min)\b"), "WHILE"),
    (re.compile(r"\s+"), " "),
)


class Line(NamedTuple):
    """A command, and its output in the README."""

    command: str
    printed: list[str]


def lines() -> Iterator[Line]:
    section = _SECTION.search((ROOT / "README.md").read_text())
    assert section
    for block in _BLOCK.findall(section[1]):
        for text in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, *printed = text.rstrip().splitlines()
            yield Line(command, printed)


def masked(text: str) -> str:
    """Replace values that change with each run."""
    for pattern, name in _CHANGING_VALUES:
        text = pattern.sub(name, text)
    return text.strip()


def is_taken(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def make_local(tmp_path: Path) -> Iterator[dict[str, str]]:
    """Run `make local`. Yield the environment variables for the examples."""
    stacks = tmp_path / "stacks"
    variables = {"ZIPJOBS_LOCAL": str(stacks)}  # hides stacks of other tests
    if any(map(is_taken, PORTS)):
        assert "CI" not in os.environ
        pytest.skip(f"a port of {PORTS} is in use")
    with background(
        ["make", "local"],
        env={**os.environ, **variables},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:

        def is_ready() -> bool | None:
            assert process.poll() is None, "make local ended."
            return any(stacks.glob("*.json")) or None

        wait_for("make local", is_ready)
        yield {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "COLUMNS": "200", **variables}


def test_examples_print_the_documented_output(make_local: dict[str, str], tmp_path: Path) -> None:
    for tool in ("jq", "curl", "unzip"):
        if shutil.which(tool) is None:
            assert "CI" not in os.environ
            pytest.skip(f"{tool} is not installed")
    examples = list(lines())
    assert len(examples) > 10
    (tmp_path / ".venv").symlink_to(ROOT / ".venv")
    script = ["set -o pipefail"]
    for number, line in enumerate(examples):
        script.append(
            f"{{ {line.command}\n}} >'{tmp_path}/{number}.out' 2>'{tmp_path}/{number}.err'"
        )
        script.append(f"echo $? >'{tmp_path}/{number}.code'")
    with background(["bash", "-c", "\n".join(script)], cwd=tmp_path, env=make_local) as process:
        assert process.wait(WAIT_SECONDS) == 0
    for number, line in enumerate(examples):
        printed = (tmp_path / f"{number}.out").read_text()
        problems = (tmp_path / f"{number}.err").read_text()
        code = (tmp_path / f"{number}.code").read_text().strip()
        assert code == "0", f"{line.command}\n{printed}{problems}"
        output = iter([masked(one) for one in printed.splitlines()])
        for expected in map(masked, line.printed):
            assert expected in output, f"{line.command}\ndoes not print: {expected}\n{printed}"
