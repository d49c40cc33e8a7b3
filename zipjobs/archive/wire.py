"""HTTP/1.1 as far as GET needs it: what goes over the wire, and what comes back."""

from collections.abc import Mapping
from dataclasses import dataclass

MAX_HEAD_BYTES = 64 * 1024


class WireError(Exception):
    """What came back is not a response that this client understands, or it broke off."""


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
    first, _, rest = head.decode("latin-1").partition("\r\n")
    version, _, status = first.partition(" ")
    headers = {}
    for line in rest.split("\r\n"):
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    if not version.startswith("HTTP/1.") or not status[:3].isdigit():
        raise WireError(f"not an HTTP response: {first[:80]!r}")
    code = int(status[:3])
    is_chunked = "chunked" in headers.get("transfer-encoding", "")
    length = headers.get("content-length")
    if code in (204, 304):
        length = "0"
    connection = headers.get("connection", "").lower()
    keeps_alive = "close" not in connection and (version != "HTTP/1.0" or "keep" in connection)
    return Head(
        status=code,
        headers=headers,
        length=None if is_chunked or length is None else int(length),
        is_chunked=is_chunked,
        keeps_alive=keeps_alive,
    )


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
            if not found or (line.startswith(b"0") and b"\r\n" not in rest):
                break
            try:
                self._left = int(line.split(b";")[0], 16)
            except ValueError as error:
                raise WireError("a chunk without a length") from error
            self._raw = rest
            self.is_over = not self._left
        return payload
