"""The bytes of a part, made again: for what S3 would not copy, and for what it lost."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from zipjobs.archive.body import Found
from zipjobs.archive.parts import in_blocks
from zipjobs.archive.sizing import KIB
from zipjobs.archive.source import Pinned
from zipjobs.errors import ServiceUnavailable, SourceChanged, aws_error_code

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

READ_BYTES = 256 * KIB


@dataclass(frozen=True, slots=True)
class BodyRun:
    """``length`` bytes of a body as it stands in the archive, from byte ``first`` on."""

    found: Found
    first: int
    length: int


Ingredient = BodyRun | Callable[[], bytes]
"""A run of a body, or what gives the bytes of a header or of the directory."""


def make_again(s3: "S3Client", recipe: list[Ingredient]) -> Iterator[bytes]:
    """The bytes of ``recipe`` in blocks, all but the last of ``BLOCK_BYTES``.

    Reads one object after the other. Raises SourceChanged or ServiceUnavailable.
    """
    return in_blocks(_pieces(s3, recipe))


def _pieces(s3: "S3Client", recipe: list[Ingredient]) -> Iterator[bytes]:
    for ingredient in recipe:
        if not isinstance(ingredient, BodyRun):
            yield ingredient()
        elif ingredient.found.deflated is None:
            run = ingredient
            yield from _read(s3, run.found.pinned, run.first, run.length)
        else:
            yield from _deflated(s3, ingredient)


def _deflated(s3: "S3Client", wanted: BodyRun) -> Iterator[bytes]:
    """Deflate the runs that ``wanted`` touches, and cut it out of them."""
    deflated = wanted.found.deflated
    assert deflated is not None
    at, end = 0, wanted.first + wanted.length
    while at < end:
        run = deflated.run_at(at)
        if at + run.length > wanted.first:
            make = run.deflater()
            source = _read(s3, wanted.found.pinned, run.source_first, run.source_length)
            made = b"".join([make(data) for data in source])
            yield made[max(0, wanted.first - at) : end - at]
        at += run.length


def _read(s3: "S3Client", pinned: Pinned, first: int, length: int) -> Iterator[bytes]:
    if not length:
        return
    source = pinned.source
    version = {"VersionId": source.version_id} if source.version_id is not None else {}
    try:
        body = s3.get_object(
            Bucket=source.bucket,
            Key=source.key,
            IfMatch=pinned.etag,
            Range=f"bytes={first}-{first + length - 1}",
            **version,  # type: ignore[arg-type]
        )["Body"]
        left = length
        with body:
            while left:
                data = body.read(min(left, READ_BYTES))
                if not data:
                    raise ServiceUnavailable(f"Reading {source} broke off.")
                left -= len(data)
                yield data
    except ClientError as error:
        code = aws_error_code(error)
        if code in ("PreconditionFailed", "NoSuchKey", "NoSuchVersion"):
            raise SourceChanged(
                f"{source} changed while it was read. Submit the job again."
            ) from error
        raise ServiceUnavailable(f"S3 answered {code} for {source}.") from error
    except BotoCoreError as error:
        raise ServiceUnavailable(f"Reading {source} broke off: {error}") from error
