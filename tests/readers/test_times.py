"""Readers show the right local time in any time zone."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.support.readers import by_7z, by_bsdtar_from_a_pipe, by_jar, by_unzip
from zipjobs.zipformat.records import Member, central_directory

MODIFIED = datetime(2026, 7, 23, 16, 44, 25, tzinfo=UTC)


@pytest.mark.parametrize("reader", [by_unzip, by_7z, by_bsdtar_from_a_pipe, by_jar])
@pytest.mark.parametrize("time_zone", ["UTC", "America/New_York", "Asia/Kolkata"])
def test_extracted_files_have_the_time_of_the_object(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    reader: Callable[[Path, Path], object],
    time_zone: str,
) -> None:
    monkeypatch.setenv("TZ", time_zone)
    member = Member.of("a.pdf", 0, MODIFIED)
    header = member.local_header()
    archive = tmp_path / "archive.zip"
    archive.write_bytes(header + central_directory(member.central_record(0), 1, len(header)))
    reader(archive, tmp_path / "files")
    assert (tmp_path / "files" / "a.pdf").stat().st_mtime == MODIFIED.timestamp()
