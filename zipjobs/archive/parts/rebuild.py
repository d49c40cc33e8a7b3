"""Rebuilds the bytes of a part, for a retry or for a range that S3 did not copy."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from zipjobs.archive.body_read import later_error
from zipjobs.archive.parts.blocks import in_blocks
from zipjobs.archive.parts.sizing import KIB
from zipjobs.archive.placed_entry import PlacedEntry
from zipjobs.errors import PermanentError, ServiceUnavailable
from zipjobs.s3.errors import ErrorResponse, source_error
from zipjobs.s3.object_reader import PROGRESS_BYTES
from zipjobs.s3.retry import Attempts
from zipjobs.s3.source import ObjectVersion

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

READ_BYTES = 256 * KIB


@dataclass(frozen=True, slots=True)
class BodyRun:
    """A range of a body, as it is in the archive."""

    placed: PlacedEntry
    first: int
    length: int


PartSource = BodyRun | Callable[[], bytes]
"""A range of a body, or a function that returns bytes of a header or the directory."""


def rebuild(s3: "S3Client", sources: list[PartSource]) -> Iterator[bytes]:
    """Yield the bytes of ``sources`` in blocks of ``BLOCK_BYTES``. The last may be shorter.

    Objects are read one after the other. Raises SourceChanged, ServiceUnavailable, and an
    UnreadableObject if the role has lost its permission.
    """
    return in_blocks(_pieces(s3, sources))


def _pieces(s3: "S3Client", sources: list[PartSource]) -> Iterator[bytes]:
    for source in sources:
        if not isinstance(source, BodyRun):
            yield source()
        elif source.placed.deflated is None:
            yield from _read(s3, source.placed.version, source.first, source.length)
        else:
            yield from _deflated(s3, source)


def _deflated(s3: "S3Client", wanted: BodyRun) -> Iterator[bytes]:
    """Compress the runs that overlap ``wanted``, and yield its bytes."""
    deflated = wanted.placed.deflated
    assert deflated is not None
    at, end = 0, wanted.first + wanted.length
    while at < end:
        run = deflated.run_at(at)
        if at + run.length > wanted.first:
            compress = run.deflater()
            source = _read(s3, wanted.placed.version, run.source_first, run.source_length)
            compressed = b"".join([compress(data) for data in source])
            yield compressed[max(0, wanted.first - at) : end - at]
        at += run.length


def _read(s3: "S3Client", version: ObjectVersion, first: int, length: int) -> Iterator[bytes]:
    """Yield a range of an object. A response that breaks off is resumed."""
    end, attempts, counted_from = first + length, Attempts(), first
    while True:
        problem = "it ended early"
        try:
            for data in _get(s3, version, first, end):
                first += len(data)
                yield data
        except ClientError as error:
            refused = source_error(ErrorResponse.of(error), version.source)
            if isinstance(refused, PermanentError):
                raise later_error(refused) from error
            problem = str(error)
        except BotoCoreError as error:
            problem = str(error)
        if first == end:
            return
        if first - counted_from >= PROGRESS_BYTES:
            attempts.restart()
            counted_from = first
        pause = attempts.next_pause()
        if pause is None:
            raise ServiceUnavailable(f"Reading {version.source} failed: {problem}")
        time.sleep(pause)


def _get(s3: "S3Client", version: ObjectVersion, first: int, end: int) -> Iterator[bytes]:
    """Yield the body of one GET."""
    source = version.source
    named = {} if source.version_id is None else {"VersionId": source.version_id}
    body = s3.get_object(
        Bucket=source.bucket,
        Key=source.key,
        IfMatch=version.etag,
        Range=f"bytes={first}-{end - 1}",
        **named,  # type: ignore[arg-type]
        **source.payer,
    )["Body"]
    with body:
        while data := body.read(READ_BYTES):
            yield data
