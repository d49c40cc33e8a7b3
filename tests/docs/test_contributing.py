"""``CONTRIBUTING.md``: the steps to add a setting name each file that an existing setting is in."""

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SECTION = (ROOT / "CONTRIBUTING.md").read_text().partition("## How to add a setting")[2]
STEPS = SECTION.partition("\n## ")[0]
NAMED = set(re.findall(r"`([\w./]+(?:\.(?:py|yaml|md)|/))`", STEPS))

SETTING = re.compile("presignTtlSeconds|presign_ttl_seconds|PRESIGN_TTL_SECONDS")
"""A setting that reaches a function's environment, and is in no other test or page."""

PLACES = ("infra", "handlers", "zipjobs", "tests/infra", "tests/support")


def files_of_the_setting() -> Iterator[str]:
    paths = [ROOT / "Pulumi.yaml", ROOT / "docs/configuration.md"]
    for place in PLACES:
        paths += (ROOT / place).rglob("*.py")
    for path in paths:
        if SETTING.search(path.read_text()):
            yield path.relative_to(ROOT).as_posix()


def test_the_steps_name_every_file_of_a_setting() -> None:
    files = list(files_of_the_setting())
    assert len(files) >= 8
    assert [
        file
        for file in files
        if file not in NAMED and not any(file.startswith(f"{folder}/") for folder in folders())
    ] == []


def folders() -> set[str]:
    """Return the folders that the steps name, except those that contain many unrelated modules."""
    return {name.rstrip("/") for name in NAMED if name.endswith("/")} - {"infra", "zipjobs"}


def test_the_steps_name_existing_files() -> None:
    assert [name for name in sorted(NAMED) if not (ROOT / name).exists()] == []
