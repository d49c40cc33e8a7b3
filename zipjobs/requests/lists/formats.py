"""Recognizes the format of the list that ``entriesFrom`` names, and reads its rows.

The content decides, not the key:

=================== ================================================================================
JSON Lines          The first line is a JSON object: ``{"key": "a.pdf", "bucket": "my-bucket"}``.
CSV with a header   The first record has the names of columns, in any order and case:
                    ``Bucket,Key,Size,ETag,VersionId,Name``. Other columns of an S3 Inventory are
                    ignored.
CSV                 ``bucket,key`` or ``bucket,key,versionId``, as S3 Batch Operations has them, or
                    ``bucket,key,size[,etag]``, as s3tar does.
S3 Inventory        A JSON object with ``fileSchema`` and ``files``: the ``manifest.json``.
=================== ================================================================================

All lists are streamed.
"""

import csv
import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain
from typing import Annotated
from urllib.parse import unquote_plus

import pydantic_core
from pydantic import Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from zipjobs.errors import InvalidRequest
from zipjobs.requests.fields import MAX_MULTIPART_BYTES, ETag
from zipjobs.requests.lists.lines import Lines
from zipjobs.requests.schema import ROW, RequestedEntry
from zipjobs.requests.strict_json import unique_members
from zipjobs.requests.validation_errors import format_errors

MAX_RECORD_BYTES = 64 * 1024
"""Bytes of a CSV record, which can have several lines, and so of each of its fields."""

MAX_COLUMNS = 64
"""Columns of an inventory. S3 writes about twenty ("Amazon S3 Inventory list", S3 User Guide)."""

_FIELDS = {
    "bucket": "bucket",
    "key": "key",
    "size": "size",
    "etag": "etag",
    "versionid": "versionId",
    "name": "name",
}
"""The fields of a row by the folded names of their columns."""

_CURRENT_VERSION = ("islatest", "isdeletemarker")
_IGNORED = frozenset(
    {
        "lastmodifieddate",
        "lastmodified",
        "storageclass",
        "ismultipartuploaded",
        "replicationstatus",
        "encryptionstatus",
        "objectlockretainuntildate",
        "objectlockmode",
        "objectlocklegalholdstatus",
        "intelligenttieringaccesstier",
        "bucketkeystatus",
        "checksumalgorithm",
        "objectaccesscontrollist",
        "objectowner",
        "lifecycleexpirationdate",
    }
)
"""The other columns of an inventory ("Amazon S3 Inventory list" in the S3 User Guide)."""

_MANIFEST_FIELDS = frozenset({"fileFormat", "fileSchema", "files"})
_SIZED = ["bucket", "key", "size", "etag"]
"""The columns of a list with sizes and without a header row. The last one can be missing."""

_HEADERLESS = "bucket,key or bucket,key,versionId or bucket,key,size[,etag]"
_BINARY_FORMATS = {b"PAR1": "a Parquet file", b"ORC": "an ORC file"}


@dataclass(frozen=True, slots=True, config=ROW)
class Row(RequestedEntry):
    """One object in a list."""

    size: Annotated[int, Field(ge=0, le=MAX_MULTIPART_BYTES)] | None = None
    etag: ETag | None = None


_ROW: TypeAdapter[Row] = TypeAdapter(Row)


def is_inventory_manifest(lines: Lines) -> bool:
    """Return whether a list is the manifest of an S3 Inventory, by its first line with content.

    A JSON object that continues on the next line cannot be JSON Lines, so it is one too.
    """
    first = lines.first().strip()
    if not first.startswith(b"{"):
        return False
    try:
        content = pydantic_core.from_json(first)
    except ValueError as error:
        return str(error).startswith("EOF while parsing") and first.endswith((b"{", b"[", b","))
    return not _MANIFEST_FIELDS.isdisjoint(content)


def rows_of(lines: Lines, *, keys_url_encoded: bool = False) -> Iterator[Row]:
    """Yield the rows of JSON Lines or CSV. Raises InvalidManifest with the line."""
    first = lines.first()
    for magic, what in _BINARY_FORMATS.items():
        if first.startswith(magic):
            raise lines.invalid(f"the list is {what}. Convert it to CSV or JSON Lines")
    if first.lstrip().startswith((b"{", b"[")):
        lines.recognized = "JSON Lines"
        yield from _json_rows(lines, keys_url_encoded)
    else:
        yield from _csv_rows(lines, keys_url_encoded)


def inventory_rows(lines: Lines, columns: Sequence[str]) -> Iterator[Row]:
    """Yield the latest versions in a file of an S3 Inventory. Its keys are URL-encoded."""
    lines.recognized = f"CSV with the fileSchema {','.join(columns)}"
    folded = [_fold(column) for column in columns]
    for record in _records(lines):
        yield from _rows_of_record(lines, folded, record, keys_url_encoded=True)


def _json_rows(lines: Lines, keys_url_encoded: bool) -> Iterator[Row]:
    for line in lines:
        if text := line.strip():
            try:
                row = _ROW.validate_json(text, by_alias=True, by_name=False)
                json.loads(
                    text, object_pairs_hook=unique_members
                )  # the schema sees the last of two
            except InvalidRequest as error:
                raise lines.invalid(str(error)) from error
            except ValidationError as error:
                problems = format_errors(error).replace(" at line 1 column ", " at column ")
                raise lines.invalid(problems) from error
            yield replace(row, key=_decoded(lines, row.key)) if keys_url_encoded else row


def _csv_rows(lines: Lines, keys_url_encoded: bool) -> Iterator[Row]:
    records = _records(lines)
    first = next(records, None)
    if first is None:
        return
    columns = _header(lines, first)
    if columns is None:
        columns = _columns_of(lines, first)
        lines.recognized = f"CSV with {','.join(_FIELDS[column] for column in columns)}"
        records = chain([first], records)
    else:
        lines.recognized = f"CSV with the header row {','.join(first)}"
    for record in records:
        if columns is _SIZED and len(record) == len(_SIZED) - 1:
            record.append("")
        yield from _rows_of_record(lines, columns, record, keys_url_encoded=keys_url_encoded)


def _header(lines: Lines, record: Sequence[str]) -> list[str] | None:
    """Return the folded names of columns, or None if the record is not a header row."""
    names = [_fold(field) for field in record]
    known = [name in _FIELDS or name in _CURRENT_VERSION or name in _IGNORED for name in names]
    if not (all(known) or {"bucket", "key"} <= set(names)):
        return None
    if "key" not in names:
        raise lines.invalid("this looks like a header row, but it has no column Key")
    for number, (field, is_known) in enumerate(zip(record, known, strict=True), 1):
        if not is_known:
            raise lines.invalid(
                f"this looks like a header row, but column {number} ({field}) is unknown. Use "
                "Bucket, Key, Size, ETag, VersionId, Name, and the columns of an S3 Inventory"
            )
        if names.index(_fold(field)) != number - 1:
            raise lines.invalid(f"column {number} ({field}) appears twice in the header row")
    return names


def _columns_of(lines: Lines, record: Sequence[str]) -> list[str]:
    """Return the columns of a list without a header row, from its first record."""
    match record:
        case [_, _]:
            return ["bucket", "key"]
        case [_, _, third] if third and not third.isdecimal():
            return ["bucket", "key", "versionid"]
        case [_, _, _] | [_, _, _, _]:
            return _SIZED
    raise lines.invalid(
        f"expected {_HEADERLESS}, or a header row such as Bucket,Key. Found {len(record)} "
        f"{'field' if len(record) == 1 else 'fields'}"
    )


def _fold(column: str) -> str:
    """Return a column's name as it is compared: Athena writes ``VersionId`` as ``version_id``."""
    return column.strip().lower().replace("_", "").replace(" ", "").replace("-", "")


def _rows_of_record(
    lines: Lines, columns: Sequence[str], record: Sequence[str], *, keys_url_encoded: bool
) -> Iterator[Row]:
    """Yield the row of a record. Yield none for a version that is not the latest."""
    if len(record) != len(columns):
        raise lines.invalid(f"expected {len(columns)} fields, found {len(record)}")
    item = dict(zip(columns, record, strict=True))
    if item.get("isdeletemarker", "").lower() == "true":
        return
    if item.get("islatest", "").lower() == "false":
        return
    if item.get("versionid") == "null":
        item["versionid"] = ""
    if keys_url_encoded:
        item["key"] = _decoded(lines, item["key"])
    required = ("key",) if "bucket" not in columns else ("bucket", "key")
    given = {
        _FIELDS[column]: text
        for column, text in item.items()
        if column in _FIELDS and (text or column in required)
    }
    try:
        row = _ROW.validate_strings(given)
    except ValidationError as error:
        field = str(error.errors(include_url=False)[0]["loc"][0])
        number = columns.index(_fold(field)) + 1
        raise lines.invalid(f"column {number}: {format_errors(error)}") from error
    yield row


def _decoded(lines: Lines, key: str) -> str:
    """Return a key that S3 has URL-encoded, with ``+`` for a space."""
    try:
        return unquote_plus(key, errors="strict")
    except UnicodeDecodeError as error:
        raise lines.invalid(f"key: not URL-encoded UTF-8: {error.reason}") from error


def _records(lines: Lines) -> Iterator[list[str]]:
    """Yield CSV records (RFC 4180) that are not blank. A quoted field can have several lines."""
    record_bytes = 0

    def decoded() -> Iterator[str]:
        nonlocal record_bytes
        for line in lines:
            record_bytes += len(line)
            if record_bytes > MAX_RECORD_BYTES:
                raise lines.invalid(
                    f"the record has more than {MAX_RECORD_BYTES:,} bytes. Check that every quoted "
                    "field is closed"
                )
            yield line.decode()

    reader = csv.reader(decoded(), strict=True)
    while True:
        record_bytes = 0
        try:
            fields = next(reader, None)
        except UnicodeDecodeError as error:
            raise lines.invalid(f"not UTF-8: {error.reason}") from error
        except csv.Error as error:
            raise lines.invalid(f"not CSV: {error}") from error
        if fields is None:
            return
        if len(fields) > 1 or "".join(fields).strip():
            yield fields
        elif fields:  # such as ""; Lines has counted records that are blank lines
            lines.limit.count_blank()
