"""The lines of a list in S3, which can be compressed with gzip, and the limits of reading it."""

import gzip
import io
import zlib
from collections.abc import Callable, Iterator
from itertools import chain
from typing import TYPE_CHECKING

from zipjobs.errors import InvalidManifest, ListTooLarge
from zipjobs.s3.ranged_file import ObjectFile
from zipjobs.s3.source import Source

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

MAX_LINE_BYTES = 64 * 1024
"""Twice the longest key, name and version with every character escaped."""

MAX_LIST_BYTES = 1024**3
"""Uncompressed bytes of all files of a list: five million rows of 200 bytes."""

MAX_BLANK_LINES = 100_000
"""Blank lines in all files of a list. A gigabyte of them compresses to a megabyte."""

_BUFFER_BYTES = 64 * 1024
_GZIP_MAGIC = b"\x1f\x8b"
_UTF8_BOM = b"\xef\xbb\xbf"


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

    ``recognized`` is the format of the list, for its errors. Iterating raises InvalidManifest and
    the errors of ``limit`` and ``ObjectFile``.
    """

    def __init__(self, s3: "S3Client", source: Source, limit: ReadLimit) -> None:
        self.limit = limit
        self._raw = io.BufferedReader(ObjectFile(s3, source), _BUFFER_BYTES)
        self.recognized = ""
        self._where = str(source)
        self._number = 0
        self._unread = self._read_lines()

    @property
    def location(self) -> str:
        """The object and the number of the last line that was read."""
        return f"{self._where}, line {self._number}"

    def __iter__(self) -> Iterator[bytes]:
        return self._unread

    def first(self) -> bytes:
        """Return the first line with content, and leave it to be read. Empty if there is none."""
        line = next((line for line in self._unread if line.strip()), b"")
        self._unread = chain([line] if line else [], self._unread)
        return line

    def _read_lines(self) -> Iterator[bytes]:
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
        format_found = f". The list was read as {self.recognized}" if self.recognized else ""
        return InvalidManifest(f"{self.location}: {problem}{format_found}")
