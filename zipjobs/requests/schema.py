"""The schema of requests. A REST body and a manifest are the same JSON."""

import re
from typing import Annotated, Final, Literal, Self

from pydantic import ConfigDict, Field, ValidationError, model_validator
from pydantic.alias_generators import to_camel
from pydantic.dataclasses import dataclass

from zipjobs.errors import (
    InvalidRequest,
    SourceArchived,
    SourceEncrypted,
    SourceForbidden,
    SourceNotFound,
)
from zipjobs.model import Model
from zipjobs.requests.fields import (
    MAX_ARCHIVE_NAME_BYTES,
    MAX_KEY_BYTES,
    MAX_METADATA,
    MAX_PREFIX_BYTES,
    MAX_TAGS,
    ArchiveBytes,
    ArchiveName,
    BucketName,
    Compression,
    EmptyFolders,
    ExpiresInDays,
    Glob,
    Key,
    KeyPrefix,
    MemberName,
    Metadata,
    Naming,
    ObjectBytes,
    OnDuplicate,
    OnMissing,
    OnUnreadable,
    PathUnits,
    RequestPayer,
    S3Url,
    StorageClass,
    Tags,
    TargetPrefix,
    Time,
    VersionId,
    parse_time,
)
from zipjobs.requests.globs import MAX_BRACE_DEPTH, MAX_GLOBS_CHARS
from zipjobs.requests.json_schema import entry_schema, request_schema
from zipjobs.requests.strict_json import MAX_REQUEST_ENTRIES, SPLIT_HINT, precheck
from zipjobs.requests.validation_errors import invalid_request, request_error

MAX_REQUEST_BYTES = 16 * 1024 * 1024
"""Bytes of a manifest. Lambda limits a REST body to 6 MB ("Lambda quotas", Developer Guide)."""

FULL_REPORT_BYTES = 64 * 1024
"""In a longer request, only the first invalid item of each list is reported: collecting an error
takes 850 bytes of memory.
"""

MAX_GLOBS = 100
"""Globs in each of ``include`` and ``exclude``. Each listed key is matched against them all."""

_UTF8_BOM = b"\xef\xbb\xbf"
_SURROGATE_ESCAPE = re.compile(rb"\\u[dD][89a-fA-F]")


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

    # A dataclass takes a tenth of the memory of a model. A manifest can list a million of them.

    key: Annotated[
        Key,
        Field(
            description=f"The object's key, up to {MAX_KEY_BYTES:,} bytes of UTF-8.",
            examples=["2026/q3/invoice-1.pdf"],
        ),
    ]
    bucket: Annotated[
        BucketName | None,
        Field(
            description="The object's bucket. Default: `sourceBucket`.", examples=["my-documents"]
        ),
    ] = None
    name: Annotated[
        MemberName | None,
        Field(
            description="The path of the object in the archive, changed where it is not safe. "
            "Default: see `naming`.",
            examples=["invoices/July.pdf"],
        ),
    ] = None
    version_id: Annotated[
        VersionId | None,
        Field(
            description="The object's version. Default: the latest version.",
            examples=["3sL4kqtJlcpXroDTDmJ.rmSpXd3dIbrHY"],
        ),
    ] = None


_LISTED = Field(
    min_length=1,
    max_length=MAX_REQUEST_ENTRIES,
    strict=False,
    fail_fast=True,
    exclude_if=lambda listed: not listed,
)
"""An optional list that must not be empty."""

Globs = Annotated[
    tuple[Glob, ...],
    Field(max_length=MAX_GLOBS, strict=False, fail_fast=True, exclude_if=lambda globs: not globs),
]


REQUEST_VERSION: Final = "1"


class JobRequest(Model):
    """The objects to zip and the options of the archive. Set exactly one of `keys`, `entries`,
    `prefix` and `entriesFrom`. All other fields are optional.
    """

    model_config = ConfigDict(extra="forbid", strict=True, json_schema_extra=request_schema)

    keys: Annotated[tuple[Key, ...], _LISTED] = Field(
        default=(),
        description=f"Keys in `sourceBucket`, each up to {MAX_KEY_BYTES:,} bytes of UTF-8.",
        examples=[["2026/q3/invoice-1.pdf", "2026/q3/invoice-2.pdf"]],
    )
    entries: Annotated[tuple[RequestedEntry, ...], _LISTED] = Field(
        default=(),
        description="Objects with their own bucket, version or name in the archive.",
        examples=[[{"key": "2026/q3/invoice-1.pdf", "name": "invoices/July.pdf"}]],
    )
    prefix: KeyPrefix | None = Field(
        default=None,
        description="Zip all objects in `sourceBucket` whose keys start with this prefix, up to "
        f"{MAX_KEY_BYTES:,} bytes of UTF-8. An empty prefix means the whole bucket.",
        examples=["2026/q3/"],
    )
    entries_from: S3Url | None = Field(
        default=None,
        description="The URL of a list of objects in S3: JSON Lines, CSV, or the "
        "`manifest.json` of an S3 Inventory. Its key can have up to "
        f"{MAX_KEY_BYTES:,} bytes of UTF-8.",
        examples=["s3://my-documents/lists/q3.jsonl"],
    )
    keys_url_encoded: bool = Field(
        default=False,
        description="The keys in the list of `entriesFrom` are URL-encoded, as S3 Batch "
        "Operations has them. The keys of an S3 Inventory always are.",
        examples=[True],
    )
    include: Globs = Field(
        default=(),
        description="Zip only objects below `prefix` whose keys match one of these globs. Default: "
        "all objects. A range in a glob, such as `[a-z]`, must be in ascending order. Braces can "
        f"be nested {MAX_BRACE_DEPTH} deep.",
        examples=[["**/*.pdf"]],
    )
    exclude: Globs = Field(
        default=(),
        description="Do not zip objects whose keys match one of these globs. All globs "
        f"together can have up to {MAX_GLOBS_CHARS:,} characters.",
        examples=[["drafts/**"]],
    )
    modified_after: Time | None = Field(
        default=None,
        description="Zip only objects below `prefix` whose LastModified is this time or later: a "
        "date, which means midnight UTC, or a time with a time zone.",
        examples=["2026-07-01"],
    )
    modified_before: Time | None = Field(
        default=None,
        description="Zip only objects below `prefix` whose LastModified is before this time.",
        examples=["2026-10-01T00:00:00+02:00"],
    )
    min_bytes: ObjectBytes | None = Field(
        default=None,
        description="Zip only objects below `prefix` of at least this size.",
        examples=[1],
    )
    max_bytes: ObjectBytes | None = Field(
        default=None,
        description="Zip only objects below `prefix` of at most this size.",
        examples=[10_485_760],
    )
    source_bucket: BucketName | None = Field(
        default=None,
        description="The bucket of objects that do not name one. Default: the stack's source "
        "bucket.",
        examples=["my-documents"],
    )
    target_bucket: BucketName | None = Field(
        default=None,
        description="The bucket of the archive. Default: the stack's target bucket.",
        examples=["my-archives"],
    )
    target_prefix: TargetPrefix | None = Field(
        default=None,
        description="The folder of the archive, with or without a trailing slash, up to "
        f"{MAX_PREFIX_BYTES} bytes of UTF-8. Default: the stack's target prefix.",
        examples=["zips/"],
    )
    archive_name: ArchiveName | None = Field(
        default=None,
        description="The archive's file name, with or without `.zip`, up to "
        f"{MAX_ARCHIVE_NAME_BYTES} bytes of UTF-8 in NFC. Unsafe characters are changed. "
        "The archive's key is `<targetPrefix>/<jobId>/<archiveName>.zip`. Without a name, it is "
        "`<targetPrefix>/<jobId>.zip`.",
        examples=["q3-invoices"],
    )
    naming: Naming = Field(
        default=Naming.BASENAME,
        description="The names of objects in the archive, unless an entry has its own `name`. "
        "`basename`: the last component of the key. `path`: the whole key. `relative`: the key "
        "without the folder of `prefix`, which is `prefix` up to its last slash.",
    )
    strip_prefix: Key | None = Field(
        default=None,
        description="Remove this prefix from names in the archive. Requires `naming` `path`. Keys "
        "that do not start with the prefix are not changed. Up to "
        f"{MAX_KEY_BYTES:,} bytes of UTF-8.",
        examples=["2026/"],
    )
    on_duplicate: OnDuplicate = Field(
        default=OnDuplicate.SUFFIX,
        description="What to do if names in the archive are the same, ignoring case. `suffix`: "
        "number them, as in `report (2).pdf`. `fail`: fail the job with `DUPLICATE_NAME`.",
    )
    on_missing: OnMissing = Field(
        default=OnMissing.FAIL,
        description="What to do if objects do not exist. `fail`: fail the job and list them in its "
        "error. `skip`: zip the other objects and list the missing ones in the job and receipt.",
    )
    on_unreadable: OnUnreadable = Field(
        default=OnUnreadable.FAIL,
        description="What to do if objects exist but cannot be read: archived, forbidden, or "
        "encrypted with a key that the service cannot use. `fail`: fail the job and list them in "
        "its error. `skip`: zip the other objects and list these with the reason in the job and "
        "receipt.",
    )
    empty_folders: EmptyFolders = Field(
        default=EmptyFolders.DROP,
        description="What to do with empty objects whose keys end with `/`, which show empty "
        "folders. `drop`: leave them out. `keep`: add a folder to the archive, unless it has "
        "files. Requires `naming` `path` or `relative`.",
    )
    compression: Compression = Field(
        default=Compression.STORE,
        description="`store`: do not compress. `deflate`: compress objects that become smaller, "
        "such as text.",
    )
    max_archive_bytes: ArchiveBytes | None = Field(
        default=None,
        description="The maximum size of one archive in bytes. A larger job creates several "
        "numbered archives. Not allowed with `deflate`.",
        examples=[4_294_967_296],
    )
    max_path_length: PathUnits | None = Field(
        default=None,
        description="The maximum length of a path in the archive, in UTF-16 code units, as Windows "
        "counts them. Folders and names are cut. Windows Explorer cannot extract files whose path, "
        "with the folder that the archive is extracted to, has more than 259.",
        examples=[180],
    )
    request_payer: RequestPayer | None = Field(
        default=None,
        description="`requester`: the stack's account pays for reading objects in Requester Pays "
        "buckets.",
        examples=["requester"],
    )
    storage_class: StorageClass | None = Field(
        default=None,
        description="The storage class of the archive. Default: `STANDARD`.",
        examples=["INTELLIGENT_TIERING"],
    )
    tags: Tags = Field(
        default_factory=dict,
        exclude_if=lambda tags: not tags,
        description=f"Up to {MAX_TAGS} tags of the archive and its receipt in S3.",
        examples=[{"team": "accounting"}],
    )
    metadata: Metadata = Field(
        default_factory=dict,
        exclude_if=lambda metadata: not metadata,
        description=f"Up to {MAX_METADATA} values of your own, such as IDs in another system. They "
        "are in the job, its completion event and its receipt, and are the archive's metadata in "
        "S3. Values are printable ASCII.",
        examples=[{"order": "4711"}],
    )
    expires_in_days: ExpiresInDays | None = Field(
        default=None,
        description="S3 deletes the archive and its receipt after this number of days. The target "
        "bucket needs a lifecycle rule for it; a bucket that the stack has created has one. "
        "Default: the stack's `archiveRetentionDays`.",
        examples=[7],
    )
    version: Literal["1"] = Field(
        default=REQUEST_VERSION,
        description="The version of this format. Other versions are rejected.",
        examples=[REQUEST_VERSION],
    )

    @model_validator(mode="after")
    def _check_source(self) -> Self:
        sources = {
            "keys": bool(self.keys),
            "entries": bool(self.entries),
            "prefix": self.prefix is not None,
            "entriesFrom": self.entries_from is not None,
        }
        given = [source for source, is_given in sources.items() if is_given]
        if len(given) != 1:
            raise request_error(
                "one_source",
                f"set exactly one of {', '.join(sources)}. This request has "
                f"{' and '.join(given) or 'none of them'}",
                field=given[-1] if given else "",
            )
        return self

    @model_validator(mode="after")
    def _check_combinations(self) -> Self:
        if self.prefix is None and self.filters:
            field = self.filters[0]
            raise request_error(
                "filter_without_prefix",
                f"{field} requires prefix: set prefix, or remove {field}",
                field=field,
            )
        after, before = self.modified_after, self.modified_before
        if after is not None and before is not None and parse_time(after) >= parse_time(before):
            raise request_error(
                "no_time_between",
                "no time is between modifiedAfter and modifiedBefore",
                field="modifiedBefore",
            )
        smallest, largest = self.min_bytes, self.max_bytes
        if smallest is not None and largest is not None and smallest > largest:
            raise request_error(
                "no_size_between",
                "no size is between minBytes and maxBytes",
                field="maxBytes",
            )
        if sum(map(len, (*self.include, *self.exclude))) > MAX_GLOBS_CHARS:
            raise request_error(
                "globs_too_long",
                f"include and exclude together have more than {MAX_GLOBS_CHARS:,} characters: use "
                "fewer or shorter globs, or list the keys",
                field="include" if self.include else "exclude",
            )
        if self.prefix is None and self.naming is Naming.RELATIVE:
            raise request_error(
                "relative_without_prefix",
                "naming relative requires prefix: set prefix, or use naming path with stripPrefix",
                field="naming",
            )
        if self.strip_prefix is not None and self.naming is not Naming.PATH:
            raise request_error(
                "strip_without_path",
                "stripPrefix requires naming path: set naming to path, or remove stripPrefix",
                field="stripPrefix",
            )
        if self.empty_folders is EmptyFolders.KEEP and self.naming is Naming.BASENAME:
            raise request_error(
                "folders_without_path",
                "emptyFolders keep requires naming path or relative: naming basename has no "
                "folders",
                field="emptyFolders",
            )
        if self.keys_url_encoded and self.entries_from is None:
            raise request_error(
                "encoded_without_list",
                "keysUrlEncoded requires entriesFrom: remove keysUrlEncoded",
                field="keysUrlEncoded",
            )
        if self.max_archive_bytes is not None and self.compression is Compression.DEFLATE:
            raise request_error(
                "limit_with_deflate",
                "maxArchiveBytes is not allowed with compression deflate: remove one of them",
                field="maxArchiveBytes",
            )
        return self

    @property
    def filters(self) -> list[str]:
        """The names of the fields that choose among the objects below ``prefix``."""
        given = {
            "include": bool(self.include),
            "exclude": bool(self.exclude),
            "modifiedAfter": self.modified_after is not None,
            "modifiedBefore": self.modified_before is not None,
            "minBytes": self.min_bytes is not None,
            "maxBytes": self.max_bytes is not None,
        }
        return [field for field, is_given in given.items() if is_given]

    @property
    def count(self) -> int | None:
        """The number of entries, or None if only the list or prefix in S3 has it."""
        return len(self.keys) or len(self.entries) or None

    @property
    def skipped_codes(self) -> frozenset[str]:
        """The error codes of objects that the job leaves out instead of failing."""
        codes: set[str] = set()
        if self.on_missing is OnMissing.SKIP:
            codes.add(SourceNotFound.code)
        if self.on_unreadable is OnUnreadable.SKIP:
            codes |= {SourceForbidden.code, SourceArchived.code, SourceEncrypted.code}
        return frozenset(codes)


class _ValidationErrorCollector(JobRequest):
    """The same schema, but it reports all invalid items of a list instead of the first."""

    keys: Annotated[tuple[Key, ...], Field(min_length=1, strict=False)] = ()
    entries: Annotated[tuple[RequestedEntry, ...], Field(min_length=1, strict=False)] = ()


def parse_request(data: bytes) -> JobRequest:
    """Parse and validate a request in JSON, from a REST body or a manifest.

    Raises InvalidRequest with up to ``MAX_REPORTED_ERRORS`` invalid fields and their positions. If
    ``data`` is longer than ``FULL_REPORT_BYTES``, only the first invalid item of a list
    is reported.
    """
    if len(data) > MAX_REQUEST_BYTES:
        raise InvalidRequest(f"The request has more than {MAX_REQUEST_BYTES:,} bytes. {SPLIT_HINT}")
    data = data.removeprefix(_UTF8_BOM)
    precheck(data)
    try:
        return JobRequest.model_validate_json(data, by_alias=True, by_name=False)
    except ValidationError as error:
        raise _full_report(data, error) from error


def _full_report(data: bytes, error: ValidationError) -> InvalidRequest:
    """Return all problems of ``data``. ``error`` has only the first of each list."""
    if error.errors()[0]["type"] == "json_invalid" and _SURROGATE_ESCAPE.search(data):
        invalid = invalid_request(error, data)
        return InvalidRequest(
            f"{invalid}. Half of a surrogate pair is not a character: write both \\u escapes of "
            "the pair, or the character itself.",
            invalid.problems,
        )
    if len(data) <= FULL_REPORT_BYTES:
        try:
            _ValidationErrorCollector.model_validate_json(data, by_alias=True, by_name=False)
        except ValidationError as complete:
            return invalid_request(complete, data)
    return invalid_request(error, data)
