"""Receipts read as the service writes them, and as somebody else has left them."""

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.support.builders import finished_archive, ready_job
from tests.unit.zipjobs_cli.conftest import BODIES, Make, measured
from zipjobs.archive.builder import Archive
from zipjobs.archive.receipt import entry_line, missing_line, receipt_key
from zipjobs.s3.source import EPOCH, Entry, ObjectVersion, Source
from zipjobs.s3.target import Target
from zipjobs.worker import receipts
from zipjobs.worker.receipts import Receipts
from zipjobs_cli.archives.receipt import VERSION, Line, read_receipt, receipt_path
from zipjobs_cli.errors import Unreadable

LAYOUTS: dict[str, dict[str, Any]] = {
    "on one line": {},
    "indented": {"indent": 2},
    "with sorted keys": {"indent": "\t", "sort_keys": True},
    "in ASCII": {"ensure_ascii": True},
}


class Bucket:
    """Keeps the object that is uploaded."""

    body = b""

    def upload_fileobj(self, file: Any, *place: str, **options: Any) -> None:
        self.body = file.read()


def test_what_the_service_writes_is_what_is_read(tmp_path: Path) -> None:
    pinned = ObjectVersion(Source("src", "in/größe.pdf"), '"e"', 7, EPOCH, "v1")
    bucket = Bucket()
    Receipts(bucket).put(  # type: ignore[arg-type]
        ready_job(),
        Target("dst", "zips/job-1.zip"),
        Archive('"e"', None, 200, 0xBADCAFE, entries=1, source_bytes=7, copied_bytes=0),
        [missing_line(Entry("gone.pdf", Source("src", "gone.pdf")))],
        [entry_line("größe.pdf", pinned, 0xC0FFEE)],
    )
    path = tmp_path / "job-1.receipt.json"
    path.write_bytes(bucket.body)
    receipt = read_receipt(path)
    assert (receipt.size, receipt.crc32, receipt.entries) == (200, "0badcafe", 1)
    assert (receipt.listed, receipt.skipped) == (1, 1)
    assert list(receipt.lines()) == [Line(1, "größe.pdf", 7, "00c0ffee")]
    assert receipts.VERSION == VERSION


def test_a_receipt_is_found_where_the_service_puts_it() -> None:
    facts = finished_archive("zips/q3.invoices")
    assert receipt_path(Path(facts.key)) == Path(facts.receipt_key)
    assert receipt_key(facts.key) == facts.receipt_key


def test_a_receipt_of_no_entries_is_read(make: Make) -> None:
    receipt = read_receipt(make({}).receipt)
    assert (receipt.entries, receipt.listed, list(receipt.lines())) == (0, 0, [])


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_a_receipt_may_be_laid_out_in_any_way(
    make: Make, layout: dict[str, Any], encoding: str
) -> None:
    pair = make(skipped=2)
    as_written = read_receipt(pair.receipt)
    lines = list(as_written.lines())
    assert [line.name for line in lines] == list(BODIES)
    content = json.loads(pair.receipt.read_text())
    pair.receipt.write_text(json.dumps(content, **layout), encoding=encoding)
    assert read_receipt(pair.receipt) == as_written
    assert list(as_written.lines()) == lines


@pytest.mark.parametrize("version", ["2", 1, "", None, {}])
def test_a_receipt_of_an_unknown_version_is_refused(make: Make, version: object) -> None:
    pair = make()
    pair.change_receipt(lambda receipt: receipt.update(version=version))
    with pytest.raises(Unreadable, match="version"):
        read_receipt(pair.receipt)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "is not JSON, or not all of it: line 1: '{' was expected, but here is the end."),
        ("{}", "is not a receipt: it has no version."),
        ('{"version": "1"}', "is not a receipt: it does not say what its archive is."),
        ('{"version": "1", "archive": {"size": "1"}}', "does not say what its archive is."),
        ('{"version": "1", "entries": [{"name": "a"}]}', "its entry 1 lacks a name, a size or"),
        ('{"version": ' + "[" * 100_000, "is not JSON, or not all of it"),
        ('{"version": ' + "9" * 5_000 + "}", "is not JSON, or not all of it"),
    ],
)
def test_what_is_not_a_receipt_is_refused_with_the_reason(
    tmp_path: Path, text: str, problem: str
) -> None:
    path = tmp_path / "x.receipt.json"
    path.write_text(text)
    with pytest.raises(Unreadable) as caught:
        read_receipt(path)
    assert str(path) in str(caught.value)
    assert problem in str(caught.value)


def test_a_receipt_that_is_not_there_or_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match="cannot be read: No such file or directory."):
        read_receipt(tmp_path / "none")
    with pytest.raises(Unreadable, match="is not a file."):
        read_receipt(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(Unreadable, match="is not a file."):
        read_receipt(tmp_path / "pipe")


def test_bytes_are_not_a_receipt(make: Make) -> None:
    pair = make()
    pair.receipt.write_bytes(b'{"version": "1", "jobId": "\xff"}')
    with pytest.raises(Unreadable, match="is not JSON: it is not UTF-8."):
        read_receipt(pair.receipt)


def test_no_flipped_bit_of_a_receipt_is_more_than_unreadable(make: Make) -> None:
    pair = make({"a": b"1", "b": b"2"})
    content = pair.receipt.read_bytes()
    for at in range(len(content)):
        for bit in (0, 5, 7):
            flipped = bytearray(content)
            flipped[at] ^= 1 << bit
            pair.receipt.write_bytes(flipped)
            with suppress(Unreadable):
                list(read_receipt(pair.receipt).lines())


@pytest.mark.parametrize("indent", [None, 1])
def test_a_long_receipt_is_read_in_little_memory(make: Make, indent: int | None) -> None:
    pair = make()
    content = json.loads(pair.receipt.read_text())
    content["entries"] *= 10_000
    pair.receipt.write_text(json.dumps(content, indent=indent))
    assert pair.receipt.stat().st_size > 5_000_000
    listed, peak = measured(
        "from zipjobs_cli.archives.receipt import read_receipt",
        f"sum(1 for _ in read_receipt(Path({str(pair.receipt)!r})).lines())",
    )
    assert listed == 40_000
    assert peak < 2_000_000
