"""What a test flow expects of the archives of a job, and whether it is so."""

import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from zipjobs_cli.archives.receipt import read_receipt, receipt_path
from zipjobs_cli.archives.verify import verify
from zipjobs_cli.output.screen import counted

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


def sizes_below(s3: "S3Client", bucket: str, prefix: str) -> Counter[int]:
    """How many objects of each size there are below ``prefix``, folder markers aside."""
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    return Counter(
        found["Size"]
        for page in pages
        for found in page.get("Contents", ())
        if found["Size"] or not found["Key"].endswith("/")
    )


def problems_of(
    archives: Sequence[Path], expected: Counter[int], on_progress: Callable[[int], None]
) -> list[str]:
    """What is wrong with a job's archives, in sentences.

    Each is read twice: as ``verify`` does, against the receipt beside it, and by Python's zipfile
    alone. Together they must have as many entries of each size as ``expected``. ``on_progress`` is
    told how many bytes have been read since the last time.

    Raises Unreadable if an archive is no ZIP, or a receipt is none.
    """
    problems: list[str] = []
    found: Counter[int] = Counter()
    for archive in archives:
        problems += _against_receipt(archive, on_progress)
        problems += _by_zipfile(archive)
        found.update(line.size for line in read_receipt(receipt_path(archive)).lines())
    if found != expected:
        entries = counted(found.total(), "entry", "entries")
        objects = counted(expected.total(), "object", "objects")
        problems.append(
            f"{entries} of {bytes_of(found):,} bytes came of "
            f"{objects} of {bytes_of(expected):,} bytes"
        )
    return problems


def _against_receipt(archive: Path, on_progress: Callable[[int], None]) -> Iterable[str]:
    read = 0

    def on_read(done: int) -> None:
        nonlocal read
        on_progress(done - read)
        read = done

    verdict = verify(archive, receipt_path(archive), on_read)
    if not verdict.matches:
        count = counted(len(verdict.differences), "difference", "differences")
        yield f"{archive.name} does not match its receipt: {count}"


def _by_zipfile(archive: Path) -> Iterable[str]:
    try:
        with zipfile.ZipFile(archive) as opened:
            broken = opened.testzip()
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError, zlib.error) as error:
        yield f"{archive.name} cannot be read by Python: {error}"
    else:
        if broken is not None:
            yield f"{archive.name} is broken at {broken}"


def bytes_of(sizes: Counter[int]) -> int:
    """How many bytes so many objects of each size have together."""
    return sum(size * count for size, count in sizes.items())
