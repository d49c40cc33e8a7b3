"""The one request schema: a REST body and a manifest are the same JSON."""

import re
from enum import StrEnum
from typing import Annotated, Self

from pydantic import (
    AfterValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)
from pydantic.alias_generators import to_camel
from pydantic.dataclasses import dataclass
from pydantic_core import ErrorDetails, PydanticCustomError

from zipjobs.errors import InvalidRequest
from zipjobs.jobs.globs import translate
from zipjobs.jobs.model import Model
from zipjobs.jobs.strictjson import SEVERAL, look_through, shown, visible

MAX_REQUEST_BYTES = 16 * 1024 * 1024
"""Of a manifest. A REST body is cut off at 6 MB by Lambda's payload limit already."""

MAX_REPORTED_ERRORS = 5

EXPLAINED_BYTES = 64 * 1024
"""In longer requests a list is read to its first mistake only: each takes 850 bytes of memory."""

_UTF8_BOM = b"\xef\xbb\xbf"
_HALF_OF_A_PAIR = re.compile(rb"\\u[dD][89a-fA-F]")

MAX_KEY_BYTES = 1024
"""Of UTF-8: "Naming Amazon S3 objects" in the S3 User Guide."""

MAX_PREFIX_BYTES = 900
"""Of a target prefix: the rest of a key's bytes is for the archive's name."""

MAX_GLOBS = 100
"""In each of ``include`` and ``exclude``: every listed key is held against all of them."""

MIN_ARCHIVE_BYTES = 64 * 1024**2
MAX_ARCHIVE_BYTES = 10_000 * 5 * 1024**3
"""48.8 TiB: 10,000 parts of 5 GiB, "Amazon S3 multipart upload limits" in the S3 User Guide."""

_S3_SCHEME = "s3://"


def _key(key: str) -> str:
    if len(key.encode()) > MAX_KEY_BYTES:
        raise ValueError(f"a key has at most {MAX_KEY_BYTES:,} bytes of UTF-8")
    return key


def _target_prefix(prefix: str) -> str:
    if len(prefix.encode()) > MAX_PREFIX_BYTES:
        raise ValueError(f"a prefix has at most {MAX_PREFIX_BYTES:,} bytes of UTF-8")
    return prefix


def _glob(glob: str) -> str:
    translate(glob)
    return glob


def split_s3_url(url: str) -> tuple[str, str]:
    """Bucket and key of ``s3://bucket/key``. Raises ValueError."""
    bucket, _, key = url.removeprefix(_S3_SCHEME).partition("/")
    if not (url.startswith(_S3_SCHEME) and 3 <= len(bucket) <= 63 and key):
        raise ValueError("a list is named as s3://bucket/key")
    return bucket, _key(key)


def _s3_url(url: str) -> str:
    split_s3_url(url)
    return url


BucketName = Annotated[str, StringConstraints(min_length=3, max_length=63)]
Key = Annotated[str, StringConstraints(min_length=1), AfterValidator(_key)]
KeyPrefix = Annotated[str, AfterValidator(_key)]
TargetPrefix = Annotated[str, AfterValidator(_target_prefix)]
MemberName = Annotated[str, StringConstraints(min_length=1, max_length=1024)]
VersionId = Annotated[str, StringConstraints(min_length=1, max_length=1024)]
Glob = Annotated[str, StringConstraints(min_length=1, max_length=1024), AfterValidator(_glob)]
Globs = Annotated[
    tuple[Glob, ...],
    Field(max_length=MAX_GLOBS, strict=False, fail_fast=True, exclude_if=lambda globs: not globs),
]
ArchiveBytes = Annotated[int, Field(ge=MIN_ARCHIVE_BYTES, le=MAX_ARCHIVE_BYTES)]
S3Url = Annotated[str, AfterValidator(_s3_url)]


_LISTED = Field(min_length=1, strict=False, fail_fast=True, exclude_if=lambda listed: not listed)
"""A list with something in it, or left out."""


class Compression(StrEnum):
    """How members are kept: as they are, or deflated where that makes them smaller."""

    STORE = "store"
    DEFLATE = "deflate"


class OnMissing(StrEnum):
    """What becomes of a job when an object that it asks for does not exist."""

    FAIL = "fail"
    SKIP = "skip"


ROW = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid", strict=True)


@dataclass(frozen=True, slots=True, config=ROW)
class RequestedEntry:
    """An object to zip. ``name`` is the member's path in the archive, made safe later.

    A tenth of a model's size: a manifest has room for a million of them.
    """

    key: Key
    bucket: BucketName | None = None
    name: MemberName | None = None
    version_id: VersionId | None = None


class JobRequest(Model):
    """What a client asks for. Everything has a default, but one way to say what to zip is given:
    ``keys``, ``entries``, ``prefix`` or ``entries_from``.
    """

    model_config = ConfigDict(extra="forbid", strict=True)

    source_bucket: BucketName | None = None
    target_bucket: BucketName | None = None
    target_prefix: TargetPrefix | None = None
    compression: Compression = Compression.STORE
    max_archive_bytes: ArchiveBytes | None = None
    on_missing: OnMissing = OnMissing.FAIL
    keys: Annotated[tuple[Key, ...], _LISTED] = ()
    entries: Annotated[tuple[RequestedEntry, ...], _LISTED] = ()
    prefix: KeyPrefix | None = None
    include: Globs = ()
    exclude: Globs = ()
    entries_from: S3Url | None = None

    @model_validator(mode="after")
    def _says_what_to_zip(self) -> Self:
        ways = {
            "keys": bool(self.keys),
            "entries": bool(self.entries),
            "prefix": self.prefix is not None,
            "entriesFrom": self.entries_from is not None,
        }
        given = [way for way, is_given in ways.items() if is_given]
        if len(given) != 1:
            raise PydanticCustomError(
                "what_to_zip",
                "Say what to zip by exactly one of {ways}; the request has {given}",
                {"ways": ", ".join(ways), "given": " and ".join(given) or "none of them"},
            )
        if self.prefix is None and (self.include or self.exclude):
            raise PydanticCustomError(
                "globs_without_prefix", "include and exclude choose among the keys below a prefix"
            )
        if self.max_archive_bytes is not None and self.compression is Compression.DEFLATE:
            raise PydanticCustomError(
                "sizes_unknown",
                "maxArchiveBytes needs sizes that are known beforehand: leave it out, or deflate",
            )
        return self

    @property
    def count(self) -> int | None:
        """How many entries there will be, if the request itself lists them."""
        return len(self.keys) or len(self.entries) or None


class _EveryMistake(JobRequest):
    """The same schema, which does not stop at a list's first mistake."""

    keys: Annotated[tuple[Key, ...], Field(min_length=1, strict=False)] = ()
    entries: Annotated[tuple[RequestedEntry, ...], Field(min_length=1, strict=False)] = ()


def parse_request(data: bytes) -> JobRequest:
    """Validate ``data`` as a request in JSON.

    Raises InvalidRequest with every field that is wrong, up to ``MAX_REPORTED_ERRORS``; of each
    list in a request above ``EXPLAINED_BYTES``, with the first mistake.
    """
    if len(data) > MAX_REQUEST_BYTES:
        raise InvalidRequest(
            f"The request is too long; the limit is {MAX_REQUEST_BYTES:,} bytes. {SEVERAL}"
        )
    data = data.removeprefix(_UTF8_BOM)
    look_through(data)
    try:
        return JobRequest.model_validate_json(data)
    except ValidationError as error:
        raise InvalidRequest(_explain(data, error)) from error


def _explain(data: bytes, error: ValidationError) -> str:
    """Say what is wrong with ``data``, of which ``error`` may name the beginning only."""
    if error.errors()[0]["type"] == "json_invalid" and _HALF_OF_A_PAIR.search(data):
        return (
            f"{problems_of(error)}. Half of a surrogate pair is no character, and no key has one: "
            "write both \\u escapes of the pair, or the character itself."
        )
    if len(data) <= EXPLAINED_BYTES:
        try:
            _EveryMistake.model_validate_json(data)
        except ValidationError as whole:
            return problems_of(whole)
    return problems_of(error)


def problems_of(error: ValidationError) -> str:
    """Every field that is wrong and how, up to ``MAX_REPORTED_ERRORS``."""
    every = error.errors(include_url=False, include_input=False, include_context=False)
    within = {problem["loc"][:1] for problem in every if len(problem["loc"]) > 1}
    problems = [
        problem
        for problem in every
        if problem["type"] != "too_short" or problem["loc"] not in within  # only for the mistakes
    ]
    lines = [_line(problem) for problem in problems[:MAX_REPORTED_ERRORS]]
    if len(problems) > MAX_REPORTED_ERRORS:
        lines.append(f"and {len(problems) - MAX_REPORTED_ERRORS:,} more")
    return "; ".join(lines)


def _line(problem: ErrorDetails) -> str:
    field = ".".join(shown(str(step)) for step in problem["loc"])
    complaint = visible(_complaint(problem))
    return f"{field}: {complaint}" if field else complaint


def _complaint(problem: ErrorDetails) -> str:
    """Pydantic's words, which would be others for a dataclass than for a model."""
    if problem["type"] == "unexpected_keyword_argument":
        return "Extra inputs are not permitted"
    return problem["msg"]
