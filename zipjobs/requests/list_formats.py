"""Readers of the lists that ``entriesFrom`` names: JSON Lines, CSV in the format of s3tar, and the
CSV files of an S3 Inventory. All lists are streamed.
"""

import csv
import gzip
import io
import json
import zlib
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import TYPE_CHECKING, Annotated
from urllib.parse import unquote_plus

from pydantic import Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from zipjobs.errors import InvalidManifest, InvalidRequest, ListTooLarge
from zipjobs.requests.fields import MAX_MULTIPART_BYTES, ETag
from zipjobs.requests.schema import ROW, RequestedEntry
from zipjobs.requests.strict_json import unique_members
from zipjobs.requests.validation_errors import format_errors
from zipjobs.s3.ranged_file import ObjectFile

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

MAX_LINE_BYTES = 64 * 1024
"""Twice the longest key, name and version with every character escaped."""

MAX_RECORD_BYTES = 64 * 1024
"""Bytes of a CSV record, which can have several lines, and so of each of its fields."""

MAX_LIST_BYTES = 1024**3
"""Uncompressed bytes of all files of a list: five million rows of 200 bytes."""

MAX_BLANK_LINES = 100_000
"""Blank lines in all files of a list. A gigabyte of them compresses to a megabyte."""

_BUFFER_BYTES = 64 * 1024
_GZIP_MAGIC = b"\x1f\x8b"
_UTF8_BOM = b"\xef\xbb\xbf"
_CSV_COLUMNS = ("bucket", "key", "size", "etag")


@dataclass(frozen=True, slots=True, config=ROW)
class Row(RequestedEntry):
    """One object in a list."""

    size: Annotated[int, Field(ge=0, le=MAX_MULTIPART_BYTES)] | None = None
    etag: ETag | None = None


_ROW: TypeAdapter[Row] = TypeAdapter(Row)


class ReadLimit:
    """The limits of reading one list.

    ``check`` is called for each line. It raises to stop reading: the job was cancelled, or its time
    is up.
    """

    def __init__(self, check: Callable[[], None] = lambda: None) -> None:
        self._check = check
        self._bytes_left = MAX_LIST_BYTES
        self._blank_lines_left = MAX_BLANK_LINES

    def count(self, line: bytes) -> None:
        """Count a line. Raises ListTooLarge and the errors of ``check``."""
        self._check()
        self._bytes_left -= len(line)
        if self._bytes_left < 0:
            raise ListTooLarge(
                f"The list has more than {MAX_LIST_BYTES:,} uncompressed bytes. Split it into "
                "several jobs."
            )

    def count_blank(self) -> None:
        """Count a blank line or record. Raises ListTooLarge."""
        self._blank_lines_left -= 1
        if self._blank_lines_left < 0:
            raise ListTooLarge(
                f"The list has more than {MAX_BLANK_LINES:,} blank lines. Remove them."
            )


class Lines:
    """The lines of an object in S3, which is gzip if its first bytes say so.

    Iterating raises InvalidManifest and the errors of ``limit`` and ``ObjectFile``.
    """

    def __init__(self, s3: "S3Client", bucket: str, key: str, limit: ReadLimit) -> None:
        self.limit = limit
        self._raw = io.BufferedReader(ObjectFile(s3, bucket, key), _BUFFER_BYTES)
        self._where = f"s3://{bucket}/{key}"
        self._number = 0

    @property
    def location(self) -> str:
        """The object and the number of the last line that was read."""
        return f"{self._where}, line {self._number}"

    def __iter__(self) -> Iterator[bytes]:
        is_gzip = self._raw.peek(len(_GZIP_MAGIC)).startswith(_GZIP_MAGIC)
        file = gzip.GzipFile(fileobj=self._raw) if is_gzip else self._raw
        while line := self._read(file):
            self._number += 1
            if len(line) > MAX_LINE_BYTES:
                raise self.invalid(f"the line has more than {MAX_LINE_BYTES:,} bytes")
            self.limit.count(line)
            if self._number == 1:
                line = line.removeprefix(_UTF8_BOM)
            if not line.strip():
                self.limit.count_blank()
            yield line

    def _read(self, file: io.BufferedIOBase) -> bytes:
        try:
            return file.readline(MAX_LINE_BYTES + 1)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            self._number += 1
            raise self.invalid(f"the gzip data is damaged: {error}") from error

    def invalid(self, problem: str) -> InvalidManifest:
        """Return the error of the last line that was read."""
        return InvalidManifest(f"{self.location}: {problem}")


def rows_of(lines: Lines) -> Iterator[Row]:
    """Yield the rows of a list: JSON Lines if the first line with content is JSON, else CSV."""
    rest = iter(lines)
    first = next((line for line in rest if line.strip()), b"")
    is_json = first.lstrip().startswith((b"{", b"["))
    return (_json_rows if is_json else _csv_rows)(lines, chain([first], rest))


def _json_rows(lines: Lines, data: Iterable[bytes]) -> Iterator[Row]:
    for line in data:
        if text := line.strip():
            try:
                row = _ROW.validate_json(text, by_alias=True, by_name=False)
                json.loads(
                    text, object_pairs_hook=unique_members
                )  # the schema sees the last of two
                yield row
            except InvalidRequest as error:
                raise lines.invalid(str(error)) from error
            except ValidationError as error:
                problems = format_errors(error).replace(" at line 1 column ", " at column ")
                raise lines.invalid(problems) from error


def _csv_rows(lines: Lines, data: Iterable[bytes]) -> Iterator[Row]:
    """Yield the rows of ``bucket,key,size[,etag]``. Keys are not URL-encoded."""
    for fields in _fields(lines, data):
        if len(fields) not in (3, 4):
            raise lines.invalid(f"expected bucket,key,size[,etag], found {len(fields)} fields")
        yield _row(lines, dict(zip(_CSV_COLUMNS, fields, strict=False)))


def inventory_rows(lines: Lines, columns: list[str]) -> Iterator[Row]:
    """Yield the latest versions in a file of an S3 Inventory. Its keys are URL-encoded."""
    for fields in _fields(lines, lines):
        if len(fields) != len(columns):
            raise lines.invalid(
                f"expected the {len(columns)} fields of fileSchema, found {len(fields)}"
            )
        item = dict(zip(columns, fields, strict=True))
        if item.get("IsDeleteMarker", "").lower() == "true":
            continue
        if item.get("IsLatest", "").lower() == "false":
            continue
        try:
            key = unquote_plus(item["Key"], errors="strict")
        except UnicodeDecodeError as error:
            raise lines.invalid(f"Key: not URL-encoded UTF-8: {error.reason}") from error
        if is_folder_marker(key, item.get("Size")):
            continue
        version_id = item.get("VersionId", "")
        yield _row(
            lines,
            {
                "bucket": item["Bucket"],
                "key": key,
                "versionId": "" if version_id == "null" else version_id,
                "size": item.get("Size", ""),
                "etag": item.get("ETag", ""),
            },
        )


def _fields(lines: Lines, data: Iterable[bytes]) -> Iterator[list[str]]:
    """Yield CSV records (RFC 4180) that are not blank. A quoted field can have several lines."""
    record_bytes = 0

    def decoded() -> Iterator[str]:
        nonlocal record_bytes
        for line in data:
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


def _row(lines: Lines, fields: dict[str, str]) -> Row:
    """Return the row with these fields. An optional field is omitted if its text is empty."""
    given = {name: text for name, text in fields.items() if text or name in ("bucket", "key")}
    try:
        return _ROW.validate_strings(given)
    except ValidationError as error:
        raise lines.invalid(format_errors(error)) from error


def is_folder_marker(key: str, size: int | str | None) -> bool:
    """Return whether an object is an empty one that a console created to show a folder."""
    return key.endswith("/") and str(size) == "0"
