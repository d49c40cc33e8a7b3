"""HTTP/1.1 as far as GET needs it: what goes over the wire, and what comes back."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

MAX_HEAD_BYTES = 64 * 1024
MAX_LINE_BYTES = 1024
"""How long the line before a chunk may be."""

_CHUNK_LINE = re.compile(rb"([0-9a-fA-F]{1,15})[ \t]*(?:;.*)?")


class WireError(Exception):
    """What came back is not a response that this client understands, or it broke off."""


class ClientClosed(WireError):
    """The transport was closed: there will be no answer, now or later."""


@dataclass(frozen=True, slots=True)
class Head:
    """Status line and headers. ``length`` is None if the body ends by itself."""

    status: int
    headers: Mapping[str, str]
    length: int | None
    is_chunked: bool
    keeps_alive: bool


def request(method: str, target: str, headers: Mapping[str, str]) -> bytes:
    """A request without a body."""
    lines = [f"{method} {target} HTTP/1.1\r\n"]
    lines += [f"{name}: {value}\r\n" for name, value in headers.items()]
    lines.append("\r\n")
    return "".join(lines).encode()


def parse_head(head: bytes) -> Head:
    """Parse what stands before the blank line. Names of headers come in lower case."""
    lines = iter(head.decode("latin-1").split("\r\n"))
    first = next(lines)
    version, _, status = first.partition(" ")
    if version not in ("HTTP/1.1", "HTTP/1.0") or not _is_number(status[:3], 3):
        raise WireError(f"not an HTTP response: {first[:80]!r}")
    headers = {}
    for line in lines:
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    code = int(status[:3])
    is_chunked = "chunked" in headers.get("transfer-encoding", "").lower()
    length = headers.get("content-length")
    if code in (204, 304):
        length = "0"
    if length is not None and not _is_number(length):
        raise WireError(f"not a length: {length[:80]!r}")
    connection = headers.get("connection", "").lower()
    keeps_alive = "close" not in connection and (version == "HTTP/1.1" or "keep" in connection)
    return Head(
        status=code,
        headers=headers,
        length=None if is_chunked or length is None else int(length),
        is_chunked=is_chunked,
        keeps_alive=keeps_alive,
    )


def _is_number(text: str, least_digits: int = 1) -> bool:
    return text.isdecimal() and least_digits <= len(text) <= 18


class Chunks:
    """Takes the chunked framing off a body. S3 sends its errors so."""

    def __init__(self) -> None:
        self._raw = b""
        self._left = 0
        self.is_over = False

    def feed(self, data: bytes) -> bytes:
        """The payload in ``data``."""
        self._raw += data
        payload = b""
        while not self.is_over:
            if self._left:
                piece = self._raw[: self._left]
                if not piece:
                    break
                payload += piece
                self._raw = self._raw[len(piece) :]
                self._left -= len(piece)
                continue
            line, found, rest = self._raw.removeprefix(b"\r\n").partition(b"\r\n")
            if not found and len(line) <= MAX_LINE_BYTES:
                break
            size = _CHUNK_LINE.fullmatch(line)
            if not found or size is None:
                raise WireError("a chunk without a length")
            self._left = int(size[1], 16)
            if not self._left and not (rest.startswith(b"\r\n") or b"\r\n\r\n" in rest):
                break  # the trailers are not over
            self._raw = rest
            self.is_over = not self._left
        return payload
