"""Readers create empty folders, and do not take them for files."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.support.readers import READERS, Contents
from zipjobs.zipformat.records import Member, central_directory

MODIFIED = datetime(2026, 7, 23, 16, 44, 25, tzinfo=UTC)
NAMES = ("deep/a.pdf", "empty/", "deep/größe/")


@pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.__name__)
def test_every_reader_creates_empty_folders(
    tmp_path: Path, reader: Callable[[Path, Path], Contents]
) -> None:
    members = [Member.of(name, 0, MODIFIED) for name in NAMES]
    headers = [member.local_header() for member in members]
    offsets = [sum(map(len, headers[:number])) for number in range(len(members))]
    records = [one.central_record(offset) for one, offset in zip(members, offsets, strict=True)]
    body = b"".join(headers)
    archive = tmp_path / "archive.zip"
    archive.write_bytes(body + central_directory(b"".join(records), len(records), len(body)))
    folder = tmp_path / "files"
    found = reader(archive, folder)
    assert {name: body for name, body in found.items() if not name.endswith("/")} == {
        "deep/a.pdf": b""
    }
    if folder.exists():  # Python's does not extract
        assert (folder / "empty").is_dir()
        assert (folder / "deep" / "größe").is_dir()
