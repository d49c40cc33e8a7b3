"""The one request schema: a REST body and a manifest are the same JSON."""

import re
from typing import Annotated, Final, Literal, Self

from pydantic import ConfigDict, Field, ValidationError, model_validator
from pydantic.alias_generators import to_camel
from pydantic.dataclasses import dataclass

from zipjobs.errors import InvalidRequest
from zipjobs.model import Model
from zipjobs.requests.fields import (
    MAX_ARCHIVE_NAME_BYTES,
    MAX_KEY_BYTES,
    MAX_PREFIX_BYTES,
    ArchiveBytes,
    ArchiveName,
    BucketName,
    Compression,
    Glob,
    Key,
    KeyPrefix,
    MemberName,
    Naming,
    OnDuplicate,
    OnMissing,
    S3Url,
    TargetPrefix,
    VersionId,
)
from zipjobs.requests.globs import MAX_GLOBS_CHARS
from zipjobs.requests.json_schema import entry_schema, request_schema
from zipjobs.requests.strict_json import MAX_ENTRIES, SEVERAL, precheck
from zipjobs.requests.validation_errors import refusal, rule

MAX_REQUEST_BYTES = 16 * 1024 * 1024
"""Of a manifest. A REST body is cut off at 6 MB by Lambda's payload limit already."""

EXPLAINED_BYTES = 64 * 1024
"""In longer requests a list is read to its first mistake only: each takes 850 bytes of memory."""

MAX_GLOBS = 100
"""In each of ``include`` and ``exclude``: every listed key is held against all of them."""

_UTF8_BOM = b"\xef\xbb\xbf"
_HALF_OF_A_PAIR = re.compile(rb"\\u[dD][89a-fA-F]")


ROW = ConfigDict(
    alias_generator=to_camel,
    populate_by_name=True,
    extra="forbid",
    strict=True,
    json_schema_extra=entry_schema,
)


@dataclass(frozen=True, slots=True, config=ROW)
class RequestedEntry:
    """An object to zip."""

    # A tenth of a model's size: a manifest has room for a million of them.

    key: Annotated[
        Key,
        Field(
            description=f"The object's key, up to {MAX_KEY_BYTES:,} bytes of UTF-8.",
            examples=["2026/q3/invoice-1.pdf"],
        ),
    ]
    bucket: Annotated[
        BucketName | None,
        Field(description="Its bucket; left out: `sourceBucket`.", examples=["my-documents"]),
    ] = None
    name: Annotated[
        MemberName | None,
        Field(
            description="The member's path in the archive, made safe; left out: as `naming` says.",
            examples=["invoices/July.pdf"],
        ),
    ] = None
    version_id: Annotated[
        VersionId | None,
        Field(
            description="The object's version; left out: the latest.",
            examples=["3sL4kqtJlcpXroDTDmJ.rmSpXd3dIbrHY"],
        ),
    ] = None


_LISTED = Field(
    min_length=1,
    max_length=MAX_ENTRIES,
    strict=False,
    fail_fast=True,
    exclude_if=lambda listed: not listed,
)
"""A list with something in it, or left out."""

Globs = Annotated[
    tuple[Glob, ...],
    Field(max_length=MAX_GLOBS, strict=False, fail_fast=True, exclude_if=lambda globs: not globs),
]


REQUEST_VERSION: Final = "1"


class JobRequest(Model):
    """What to zip, by exactly one of `keys`, `entries`, `prefix` and `entriesFrom`, and how.
    Everything else has a default.
    """

    model_config = ConfigDict(extra="forbid", strict=True, json_schema_extra=request_schema)

    keys: Annotated[tuple[Key, ...], _LISTED] = Field(
        default=(),
        description=f"Keys in `sourceBucket`, each up to {MAX_KEY_BYTES:,} bytes of UTF-8.",
        examples=[["2026/q3/invoice-1.pdf", "2026/q3/invoice-2.pdf"]],
    )
    entries: Annotated[tuple[RequestedEntry, ...], _LISTED] = Field(
        default=(),
        description="Objects, each with a bucket, a version or a name of its own.",
        examples=[[{"key": "2026/q3/invoice-1.pdf", "name": "invoices/July.pdf"}]],
    )
    prefix: KeyPrefix | None = Field(
        default=None,
        description="All keys in `sourceBucket` that begin with it. Up to "
        f"{MAX_KEY_BYTES:,} bytes of UTF-8; empty: the whole bucket.",
        examples=["2026/q3/"],
    )
    entries_from: S3Url | None = Field(
        default=None,
        description="A list in S3, of any length: JSON Lines, CSV, or the `manifest.json` of an "
        f"S3 Inventory. Its key has up to {MAX_KEY_BYTES:,} bytes of UTF-8.",
        examples=["s3://my-documents/lists/q3.jsonl"],
    )
    include: Globs = Field(
        default=(),
        description="Of the keys below `prefix`, those that one of these globs matches; left out: "
        "all. A range in a glob, as in `[a-z]`, runs forwards.",
        examples=[["**/*.pdf"]],
    )
    exclude: Globs = Field(
        default=(),
        description="And none that one of these globs matches. All globs together have up to "
        f"{MAX_GLOBS_CHARS:,} characters.",
        examples=[["drafts/**"]],
    )
    source_bucket: BucketName | None = Field(
        default=None,
        description="Where keys are that come without a bucket; left out: the stack's.",
        examples=["my-documents"],
    )
    target_bucket: BucketName | None = Field(
        default=None,
        description="Where the archive goes; left out: the stack's.",
        examples=["my-archives"],
    )
    target_prefix: TargetPrefix | None = Field(
        default=None,
        description="The folder that the archive goes to, with or without its slash, up to "
        f"{MAX_PREFIX_BYTES} bytes of UTF-8; left out: the stack's.",
        examples=["zips/"],
    )
    archive_name: ArchiveName | None = Field(
        default=None,
        description="The archive's file name, with or without `.zip`, made safe, up to "
        f"{MAX_ARCHIVE_NAME_BYTES} bytes of UTF-8 in form NFC. The archive is "
        "`<targetPrefix>/<jobId>/<archiveName>.zip` then; else `<targetPrefix>/<jobId>.zip`.",
        examples=["q3-invoices"],
    )
    naming: Naming = Field(
        default=Naming.BASENAME,
        description="What a member without a name of its own is called: `basename`, the last "
        "component of its key; `path`, the whole key; `relative`, with `prefix`, the key without "
        "the prefix's folder (all of it up to its last slash).",
    )
    strip_prefix: Key | None = Field(
        default=None,
        description="With `naming` `path`: what is taken off the front of keys that begin with "
        f"it; others stay whole. Up to {MAX_KEY_BYTES:,} bytes of UTF-8.",
        examples=["2026/"],
    )
    on_duplicate: OnDuplicate = Field(
        default=OnDuplicate.SUFFIX,
        description="When members would have the same name, upper and lower case aside: `suffix` "
        "numbers them, `report (2).pdf`; `fail` ends the job with `DUPLICATE_NAME`.",
    )
    on_missing: OnMissing = Field(
        default=OnMissing.FAIL,
        description="When objects do not exist: `fail` ends the job, and names all of them; "
        "`skip` leaves them out, and the job and its receipt name them.",
    )
    compression: Compression = Field(
        default=Compression.STORE,
        description="`store`, or `deflate` for text and the like; what it would not make smaller "
        "is stored.",
    )
    max_archive_bytes: ArchiveBytes | None = Field(
        default=None,
        description="The most bytes of one archive; what is more becomes numbered archives. Not "
        "with `deflate`.",
        examples=[4_294_967_296],
    )
    version: Literal["1"] = Field(
        default=REQUEST_VERSION,
        description="The version of this format. A request of another one is refused.",
        examples=[REQUEST_VERSION],
    )

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
            raise rule(
                "what_to_zip",
                f"Say what to zip by exactly one of {', '.join(ways)}; the request has "
                f"{' and '.join(given) or 'none of them'}",
                at=given[-1] if given else "",
            )
        return self

    @model_validator(mode="after")
    def _goes_together(self) -> Self:
        if self.prefix is None and (self.include or self.exclude):
            raise rule(
                "globs_without_prefix",
                "include and exclude choose among the keys below a prefix",
                at="include" if self.include else "exclude",
            )
        if sum(map(len, (*self.include, *self.exclude))) > MAX_GLOBS_CHARS:
            raise rule(
                "globs_too_long",
                f"include and exclude together have more than {MAX_GLOBS_CHARS:,} characters: use "
                "fewer or shorter globs, or list the keys",
                at="include" if self.include else "exclude",
            )
        if self.prefix is None and self.naming is Naming.RELATIVE:
            raise rule(
                "relative_to_nothing",
                "naming relative leaves out the folder of prefix, and there is no prefix: use "
                "path, and stripPrefix for what should not be in the archive",
                at="naming",
            )
        if self.strip_prefix is not None and self.naming is not Naming.PATH:
            raise rule(
                "nothing_to_strip",
                "stripPrefix shortens the names that naming path gives: set naming to path, or "
                "leave stripPrefix out",
                at="stripPrefix",
            )
        if self.max_archive_bytes is not None and self.compression is Compression.DEFLATE:
            raise rule(
                "sizes_unknown",
                "maxArchiveBytes needs sizes that are known beforehand: leave it out, or deflate",
                at="maxArchiveBytes",
            )
        return self

    @property
    def count(self) -> int | None:
        """How many entries there will be, if the request itself lists them."""
        return len(self.keys) or len(self.entries) or None


class _ValidationErrorCollector(JobRequest):
    """The same schema, which does not stop at a list's first mistake."""

    keys: Annotated[tuple[Key, ...], Field(min_length=1, strict=False)] = ()
    entries: Annotated[tuple[RequestedEntry, ...], Field(min_length=1, strict=False)] = ()


def parse_request(data: bytes) -> JobRequest:
    """Validate ``data`` as a request in JSON.

    Raises InvalidRequest with every field that is wrong and where it stands, up to
    ``MAX_REPORTED_ERRORS``; of each list in a request above ``EXPLAINED_BYTES``, with the first
    mistake.
    """
    if len(data) > MAX_REQUEST_BYTES:
        raise InvalidRequest(
            f"The request is too long; the limit is {MAX_REQUEST_BYTES:,} bytes. {SEVERAL}"
        )
    data = data.removeprefix(_UTF8_BOM)
    precheck(data)
    try:
        return JobRequest.model_validate_json(data, by_alias=True, by_name=False)
    except ValidationError as error:
        raise _explained(data, error) from error


def _explained(data: bytes, error: ValidationError) -> InvalidRequest:
    """What is wrong with ``data``, of which ``error`` may name the beginning only."""
    if error.errors()[0]["type"] == "json_invalid" and _HALF_OF_A_PAIR.search(data):
        refused = refusal(error, data)
        return InvalidRequest(
            f"{refused}. Half of a surrogate pair is no character, and no key has one: "
            "write both \\u escapes of the pair, or the character itself.",
            problems=refused.problems,
        )
    if len(data) <= EXPLAINED_BYTES:
        try:
            _ValidationErrorCollector.model_validate_json(data, by_alias=True, by_name=False)
        except ValidationError as whole:
            return refusal(whole, data)
    return refusal(error, data)
