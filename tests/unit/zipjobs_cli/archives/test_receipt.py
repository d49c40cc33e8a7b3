"""Reading receipts of the service, in any layout, and damaged ones."""

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.support.builders import finished_archive, ready_job
from tests.unit.zipjobs_cli.conftest import BODIES, Make, measured
from zipjobs.archive.receipt import entry_line, receipt_key, skipped_line
from zipjobs.archive.whole_archive import Archive
from zipjobs.s3.source import EPOCH, Entry, ObjectVersion, SkippedEntry, Source
from zipjobs.s3.target import Target
from zipjobs.worker import receipts
from zipjobs.worker.receipts import Receipts
from zipjobs_cli.archives.receipt import VERSION, ReceiptEntry, read_receipt, receipt_path
from zipjobs_cli.errors import Unreadable

LAYOUTS: dict[str, dict[str, Any]] = {
    "on one line": {},
    "indented": {"indent": 2},
    "with sorted keys": {"indent": "\t", "sort_keys": True},
    "in ASCII": {"ensure_ascii": True},
}


class Bucket:
    """A bucket that keeps the last uploaded object."""

    body = b""

    def put_object(self, *, Body: bytes, **options: Any) -> dict[str, Any]:  # noqa: N803
        self.body = Body
        return {}


def test_a_receipt_of_the_service_is_read(tmp_path: Path) -> None:
    pinned = ObjectVersion(Source("src", "in/größe.pdf"), '"e"', 7, EPOCH, "v1")
    bucket = Bucket()
    Receipts(bucket).put(  # type: ignore[arg-type]
        ready_job(),
        Target("dst", "zips/job-1.zip"),
        Archive('"e"', None, 200, 0xBADCAFE, entries=1, source_bytes=7, copied_bytes=0),
        [
            skipped_line(
                SkippedEntry(Entry("gone.pdf", Source("src", "gone.pdf")), "SOURCE_NOT_FOUND")
            )
        ],
        [entry_line("größe.pdf", pinned, 0xC0FFEE)],
    )
    path = tmp_path / "job-1.receipt.json"
    path.write_bytes(bucket.body)
    receipt = read_receipt(path)
    assert (receipt.size, receipt.crc32, receipt.entries) == (200, "0badcafe", 1)
    assert (receipt.listed, receipt.skipped) == (1, {"SOURCE_NOT_FOUND": 1})
    assert list(receipt.read_entries()) == [ReceiptEntry(1, "größe.pdf", 7, "00c0ffee")]
    assert receipts.VERSION == VERSION


def test_the_default_path_is_the_name_that_the_service_uses() -> None:
    archive = finished_archive("zips/q3.invoices")
    assert receipt_path(Path(archive.key)) == Path(archive.receipt_key)
    assert receipt_key(archive.key) == archive.receipt_key


def test_an_empty_receipt_is_read(make: Make) -> None:
    receipt = read_receipt(make({}).receipt)
    assert (receipt.entries, receipt.listed, list(receipt.read_entries())) == (0, 0, [])


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_the_layout_of_a_receipt_does_not_matter(
    make: Make, layout: dict[str, Any], encoding: str
) -> None:
    pair = make(skipped=2)
    as_written = read_receipt(pair.receipt)
    entries = list(as_written.read_entries())
    assert [entry.name for entry in entries] == list(BODIES)
    content = json.loads(pair.receipt.read_text())
    pair.receipt.write_text(json.dumps(content, **layout), encoding=encoding)
    assert read_receipt(pair.receipt) == as_written
    assert list(as_written.read_entries()) == entries


def test_skipped_objects_without_a_reason_are_missing(make: Make) -> None:
    """The service wrote no reasons when it skipped only missing objects."""
    pair = make(skipped=2)
    pair.change_receipt(lambda receipt: receipt["skipped"][0].pop("reason"))
    assert read_receipt(pair.receipt).skipped == {"SOURCE_NOT_FOUND": 1, "SOURCE_ARCHIVED": 1}


@pytest.mark.parametrize("version", ["2", 1, "", None, {}])
def test_unknown_versions_are_rejected(make: Make, version: object) -> None:
    pair = make()
    pair.change_receipt(lambda receipt: receipt.update(version=version))
    with pytest.raises(Unreadable, match="version"):
        read_receipt(pair.receipt)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "JSON: line 1"),
        ("{}", "no version"),
        ('{"version": "1"}', "does not describe an archive"),
        ('{"version": "1", "archive": {"size": "1"}}', "does not describe an archive"),
        ('{"version": "1", "entries": [{"name": "a"}]}', "entry 1 has no name, size or CRC-32"),
        ('{"version": "1", "skipped": [{"key": "a", "reason": 1}]}', "reason"),
        ('{"version": "1", "skipped": ["a"]}', "reason"),
        ('{"version": ' + "[" * 100_000, "JSON"),
        ('{"version": ' + "9" * 5_000 + "}", "JSON"),
    ],
)
def test_the_error_says_why_a_file_is_not_a_receipt(
    tmp_path: Path, text: str, problem: str
) -> None:
    path = tmp_path / "x.receipt.json"
    path.write_text(text)
    with pytest.raises(Unreadable) as caught:
        read_receipt(path)
    assert str(path) in str(caught.value)
    assert problem in str(caught.value)


def test_missing_and_special_files_are_rejected(tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match="No such file"):
        read_receipt(tmp_path / "none")
    with pytest.raises(Unreadable, match="not a file"):
        read_receipt(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(Unreadable, match="not a file"):
        read_receipt(tmp_path / "pipe")


def test_invalid_utf8_is_rejected(make: Make) -> None:
    pair = make()
    pair.receipt.write_bytes(b'{"version": "1", "jobId": "\xff"}')
    with pytest.raises(Unreadable, match="not UTF-8"):
        read_receipt(pair.receipt)


def test_flipped_bits_raise_no_other_error_than_unreadable(make: Make) -> None:
    pair = make({"a": b"1", "b": b"2"})
    content = pair.receipt.read_bytes()
    for at in range(len(content)):
        flipped = bytearray(content)
        flipped[at] ^= 1 << (0, 5, 7)[at % 3]
        pair.receipt.write_bytes(flipped)
        with suppress(Unreadable):
            list(read_receipt(pair.receipt).read_entries())


@pytest.mark.parametrize("indent", [None, 1])
def test_a_long_receipt_is_read_with_bounded_memory(make: Make, indent: int | None) -> None:
    pair = make()
    content = json.loads(pair.receipt.read_text())
    content["entries"] *= 4_000
    pair.receipt.write_text(json.dumps(content, indent=indent))
    assert pair.receipt.stat().st_size > 2_000_000
    listed, peak = measured(
        "from zipjobs_cli.archives.receipt import read_receipt",
        f"sum(1 for _ in read_receipt(Path({str(pair.receipt)!r})).read_entries())",
    )
    assert listed == 16_000
    assert peak < 1_000_000
