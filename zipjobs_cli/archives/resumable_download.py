"""Download an object from a link, and resume after interruptions."""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from isal.isal_zlib import crc32
from urllib3 import BaseHTTPResponse
from urllib3.exceptions import HTTPError

from zipjobs_cli.archives.checksums import PIECE_BYTES
from zipjobs_cli.client.http import pool
from zipjobs_cli.errors import CliError

PAUSES_SECONDS = (0.5, 1.0, 2.0, 5.0, 10.0, 20.0)
"""Pauses after consecutive failures. Received bytes reset the sequence."""

Link = Callable[[bool], str]
"""Returns a link. The argument says whether the last link has expired."""

_CODE = re.compile(r"<Code>([^<]*)</Code>")
_MESSAGE = re.compile(r"<Message>([^<]*)</Message>")


class ObjectReplaced(CliError):
    """The object was replaced since the job, or during the download."""


class _Interrupted(Exception):
    """The download was interrupted and can be resumed."""


@dataclass
class ResumableDownload:
    """A download that appends to a file. The file's content is the beginning of the object.

    ``etag`` (with quotes) and ``size`` belong to the object; if they are None, the first response
    sets them. ``done`` and ``crc32`` describe the bytes in the file. ``on_bytes`` is called with
    the number of new bytes, which is negative if the download starts again.
    """

    link: Link
    etag: str | None
    size: int | None
    on_bytes: Callable[[int], None]
    sleep: Callable[[float], None] = time.sleep
    done: int = 0
    crc32: int = 0

    def append_to(self, file: IO[bytes]) -> None:
        """Download the rest of the object. ``file`` is open for reading and appending.

        Raises ObjectReplaced, CliError if the download fails, and OSError if writing fails.
        """
        file.seek(0)
        while piece := file.read(PIECE_BYTES):
            self._count(piece)
        failures, is_expired = 0, False
        while self.size is None or self.done < self.size:
            before = self.done
            try:
                is_expired = self._request(file, self.link(is_expired), is_expired)
                if self.done == before and not is_expired:
                    raise _Interrupted("no bytes received")
            except (HTTPError, _Interrupted) as error:
                failures = 0 if self.done > before else failures
                if failures == len(PAUSES_SECONDS):
                    raise CliError(f"The download was interrupted: {error}.") from error
                self.sleep(PAUSES_SECONDS[failures])
                failures += 1

    def _request(self, file: IO[bytes], url: str, is_new_link: bool) -> bool:
        """Send one request, and append the body. Return whether the link has expired."""
        headers = {"accept-encoding": "identity"}
        if self.etag is not None:
            headers["if-match"] = self.etag
        if self.done:
            headers["range"] = f"bytes={self.done}-"
        with self._response(url, headers) as response:
            if response.status in (400, 401, 403) and not is_new_link:
                return True
            self._check(response, file)
            for piece in response.stream(PIECE_BYTES):
                file.write(piece)
                self._count(piece)
        return False

    @contextmanager
    def _response(self, url: str, headers: dict[str, str]) -> Iterator[BaseHTTPResponse]:
        response = pool(url).request(
            "GET", url, headers=headers, preload_content=False, decode_content=False, redirect=False
        )
        try:
            yield response
        finally:
            response.close()

    def _check(self, response: BaseHTTPResponse, file: IO[bytes]) -> None:
        """Raise an error unless the body continues the file."""
        status = response.status
        if status == 412 or (self.etag and response.headers.get("etag", self.etag) != self.etag):
            raise ObjectReplaced("The object was replaced after the job, or during the download.")
        if status in (200, 416) and self.done:  # the whole object, or the file is too long
            self._start_again(file)
            if status == 416:
                raise _Interrupted("the part file was too long")
        elif status == 206:
            if not response.headers.get("content-range", "").startswith(f"bytes {self.done}-"):
                raise _Interrupted("the response has another range than requested")
        elif status in (429, 500, 502, 503, 504):
            raise _Interrupted(_error_text(response))
        elif status == 404:
            raise CliError("The object no longer exists.")
        elif status != 200:
            raise CliError(f"The download failed: {_error_text(response)}.")
        self.etag = self.etag or response.headers.get("etag")
        if self.size is None:
            self.size = self.done + int(response.headers.get("content-length", "0"))

    def _start_again(self, file: IO[bytes]) -> None:
        file.truncate(0)
        self.on_bytes(-self.done)
        self.done = self.crc32 = 0

    def _count(self, piece: bytes) -> None:
        self.crc32 = crc32(piece, self.crc32)
        self.done += len(piece)
        self.on_bytes(len(piece))


def _error_text(response: BaseHTTPResponse) -> str:
    """Return code and message of an S3 error."""
    text = response.read(65_536).decode(errors="replace")
    code, message = _CODE.search(text), _MESSAGE.search(text)
    parts = [part[1].rstrip(".") for part in (code, message) if part]
    return f"{': '.join(parts) or 'no reason given'} (HTTP {response.status})"


def part_path(path: Path, crc32: str) -> Path:
    """Return the path of the part file for a download. It differs for each content."""
    return path.with_name(f"{path.name}.{crc32}.part")
