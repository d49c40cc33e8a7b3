"""The README's own lines: `make local` in one terminal, and in another whatever begins with `$`."""

import os
import re
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support.waiting import PATIENCE_SECONDS, wait_for

ROOT = Path(__file__).resolve().parents[2]
PORTS = (8700, 8701)

_SECTION = re.compile(r"^## Using it\n(.*?)^## ", re.MULTILINE | re.DOTALL)
_BLOCK = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)

_CHANGING = (
    (re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"), "ID"),
    (re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z"), "TIME"),
    (re.compile(r"CRC-32 [0-9a-f]{8}"), "CRC"),
    (re.compile(r"[\d.]+ [kM]?B/s"), "RATE"),
    (re.compile(r"[\d.]+ (seconds|s|min)\b"), "WHILE"),
    (re.compile(r"\s+"), " "),
)


class Line(NamedTuple):
    """A command, and what the README says that it prints."""

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
    """A line without what is different each time."""
    for changing, name in _CHANGING:
        text = changing.sub(name, text)
    return text.strip()


def is_taken(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def make_local(tmp_path: Path) -> Iterator[dict[str, str]]:
    """Yields the environment of the other terminal."""
    stacks = tmp_path / "stacks"
    found_in = {"ZIPJOBS_LOCAL": str(stacks)}  # not another test's stack
    if any(map(is_taken, PORTS)):
        assert "CI" not in os.environ
        pytest.skip(f"something listens on {PORTS}; end it, and the README's lines can be tried")
    process = subprocess.Popen(
        ["make", "local"],
        cwd=ROOT,
        env={**os.environ, **found_in},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        wait_for("make local", lambda: list(stacks.glob("*.json")) or None)
        yield {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "COLUMNS": "200", **found_in}
    finally:
        os.killpg(process.pid, 2)
        process.wait(PATIENCE_SECONDS)


def test_every_line_does_what_the_readme_says(make_local: dict[str, str], tmp_path: Path) -> None:
    for tool in ("jq", "curl", "unzip"):
        if shutil.which(tool) is None:
            assert "CI" not in os.environ
            pytest.skip(f"{tool} is not installed")
    told = list(lines())
    assert len(told) > 10
    (tmp_path / ".venv").symlink_to(ROOT / ".venv")
    script = ["set -o pipefail"]
    for number, line in enumerate(told):
        script.append(
            f"{{ {line.command}\n}} >'{tmp_path}/{number}.out' 2>'{tmp_path}/{number}.err'"
        )
        script.append(f"echo $? >'{tmp_path}/{number}.code'")
    subprocess.run(
        ["bash", "-c", "\n".join(script)],
        cwd=tmp_path,
        env=make_local,
        timeout=PATIENCE_SECONDS,
        check=True,
    )
    for number, line in enumerate(told):
        printed = (tmp_path / f"{number}.out").read_text()
        problems = (tmp_path / f"{number}.err").read_text()
        code = (tmp_path / f"{number}.code").read_text().strip()
        assert code == "0", f"{line.command}\n{printed}{problems}"
        found = iter([masked(one) for one in printed.splitlines()])
        for expected in map(masked, line.printed):
            assert expected in found, f"{line.command}\ndoes not print: {expected}\n{printed}"
