"""Source bodies and checks of archives that the tests in this folder share."""

import io
import random
import zipfile
import zlib
from pathlib import PurePosixPath
from typing import Any

from zipjobs.archive.parts.sizing import MIN_PART_BYTES
from zipjobs.archive.segment import sized
from zipjobs.jobs.job import FinishedArchive
from zipjobs.s3.source import Entry, Source


def body_filling_one_part(key: str) -> bytes:
    """Return a body that, with its local header, has the size of S3's smallest part."""
    entry = Entry(PurePosixPath(key).name, Source("", key), MIN_PART_BYTES)
    return random.Random(key).randbytes(MIN_PART_BYTES - sized(entry).header_bytes)


def check_archive(
    job_id: str, bucket: str, archive: FinishedArchive, body: bytes, receipt: Any
) -> list[bytes]:
    """Compare an archive with its record and its receipt. Return the contents of its members.

    Raises AssertionError if they differ.
    """
    assert (len(body), f"{zlib.crc32(body):08x}") == (archive.size, archive.crc32), archive
    assert receipt["jobId"] == job_id, receipt["jobId"]
    assert receipt["archive"] == {
        "bucket": bucket,
        "key": archive.key,
        "size": archive.size,
        "crc32": archive.crc32,
        "etag": archive.etag,
        "entries": archive.entries,
    }, receipt["archive"]
    with zipfile.ZipFile(io.BytesIO(body)) as opened:
        members = opened.infolist()
        contents = [opened.read(member) for member in members]  # checks the CRC-32s
    entries = [(entry["name"], entry["crc32"]) for entry in receipt["entries"]]
    assert [(member.filename, f"{member.CRC:08x}") for member in members] == entries, entries
    assert len(entries) == archive.entries, len(entries)
    return contents
