"""Fetches an object by a link: goes on where it broke off, and never mixes two objects."""

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

from zipjobs_cli.client.http import pool
from zipjobs_cli.errors import CliError

PIECE_BYTES = 1 << 20

PAUSES_SECONDS = (0.5, 1.0, 2.0, 5.0, 10.0, 20.0)
"""Before it is gone on after one break, and another. Whenever bytes came, it begins anew."""

Link = Callable[[bool], str]
"""Gives a link; a new one if it is told that the last one is dead."""

_CODE = re.compile(r"<Code>([^<]*)</Code>")
_MESSAGE = re.compile(r"<Message>([^<]*)</Message>")


class Changed(CliError):
    """There is another object behind the link than the one that was to be fetched."""


class _Broken(Exception):
    """It broke off, and may go on."""


@dataclass
class Fetching:
    """Fetches into a file, from its end on: what it has is taken for the object's beginning.

    ``etag`` is the object's, with its quotes, and ``size`` its bytes; what is None is learned from
    the first answer. ``crc32`` and ``done`` are those of the bytes so far. ``on_bytes`` is told how
    many more there are; less than none if the file begins anew.
    """

    link: Link
    etag: str | None
    size: int | None
    on_bytes: Callable[[int], None]
    sleep: Callable[[float], None] = time.sleep
    done: int = 0
    crc32: int = 0

    def into(self, file: IO[bytes]) -> None:
        """Fetch what is missing. ``file`` is open for reading and appending.

        Raises Changed, CliError if it cannot be had, and OSError if it cannot be written.
        """
        self._sum(file)
        failures, is_dead = 0, False
        while self.size is None or self.done < self.size:
            before = self.done
            try:
                is_dead = self._go_on(file, self.link(is_dead), is_dead)
                if self.done == before and not is_dead:
                    raise _Broken("no bytes came")
            except (HTTPError, _Broken) as error:
                failures = 0 if self.done > before else failures
                if failures == len(PAUSES_SECONDS):
                    raise CliError(f"The download broke off: {error}.") from error
                self.sleep(PAUSES_SECONDS[failures])
                failures += 1

    def _sum(self, file: IO[bytes]) -> None:
        file.seek(0)
        while piece := file.read(PIECE_BYTES):
            self._count(piece)

    def _go_on(self, file: IO[bytes], url: str, is_new: bool) -> bool:
        """Send one request and write what it brings. Returns whether the link is dead.

        A link that was made this moment is not.
        """
        headers = {"accept-encoding": "identity"}
        if self.etag is not None:
            headers["if-match"] = self.etag
        if self.done:
            headers["range"] = f"bytes={self.done}-"
        with self._asked(url, headers) as answer:
            if answer.status in (400, 401, 403) and not is_new:
                return True
            self._check(answer, file)
            for piece in answer.stream(PIECE_BYTES):
                file.write(piece)
                self._count(piece)
        return False

    @contextmanager
    def _asked(self, url: str, headers: dict[str, str]) -> Iterator[BaseHTTPResponse]:
        answer = pool(url).request(
            "GET", url, headers=headers, preload_content=False, decode_content=False, redirect=False
        )
        try:
            yield answer
        finally:
            answer.close()

    def _check(self, answer: BaseHTTPResponse, file: IO[bytes]) -> None:
        """Whether what comes fits what is there. Raises what ``into`` raises, and _Broken."""
        status = answer.status
        if status == 412 or (self.etag and answer.headers.get("etag", self.etag) != self.etag):
            raise Changed("It was replaced since it was made, or while it was fetched.")
        if status in (200, 416) and self.done:  # all of it comes, or there is too much already
            self._begin_anew(file)
            if status == 416:
                raise _Broken("there was too much of it")
        elif status == 206:
            if not answer.headers.get("content-range", "").startswith(f"bytes {self.done}-"):
                raise _Broken("another range came than was asked for")
        elif status in (429, 500, 502, 503, 504):
            raise _Broken(_said(answer))
        elif status == 404:
            raise CliError("It is not there any more.")
        elif status != 200:
            raise CliError(f"It cannot be fetched: {_said(answer)}.")
        self.etag = self.etag or answer.headers.get("etag")
        if self.size is None:
            self.size = self.done + int(answer.headers.get("content-length", "0"))

    def _begin_anew(self, file: IO[bytes]) -> None:
        file.truncate(0)
        self.on_bytes(-self.done)
        self.done = self.crc32 = 0

    def _count(self, piece: bytes) -> None:
        self.crc32 = crc32(piece, self.crc32)
        self.done += len(piece)
        self.on_bytes(len(piece))


def _said(answer: BaseHTTPResponse) -> str:
    """What an error of S3 says."""
    text = answer.read(65_536).decode(errors="replace")
    code, message = _CODE.search(text), _MESSAGE.search(text)
    parts = [part[1].rstrip(".") for part in (code, message) if part]
    return f"{': '.join(parts) or 'no reason given'} (HTTP {answer.status})"


def part_path(path: Path, crc32: str) -> Path:
    """Where a file stands until it is whole: another place for each content."""
    return path.with_name(f"{path.name}.{crc32}.part")
