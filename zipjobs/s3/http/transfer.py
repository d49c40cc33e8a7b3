"""One request through libcurl: an easy handle that is used again and again."""

import re
import socket
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import quote

import pycurl

from zipjobs.s3.http.endpoint import Endpoint

CONNECT_SECONDS = 3.0
"""The time for DNS, TCP and TLS."""

STALL_SECONDS = 20
"""A transfer below ``MIN_BYTES_PER_SECOND`` for this long is given up, the wait for the response
included. A transfer that waits for its receiver is not. S3 responds in milliseconds. AWS's SDK for
Rust gives a stalled stream as long ("grace period")."""

UPLOAD_STALL_SECONDS = 60
"""The same for a request with a body. S3 stores the part before it responds."""

MIN_BYTES_PER_SECOND = 1000

RECEIVE_BYTES = 256 * 1024
"""The receive buffer of a socket: kernel memory, which counts as a function's. At a round trip of
1 ms it allows 256 MB/s."""

BUFFER_BYTES = 64 * 1024
"""libcurl's receive buffer."""

UPLOAD_BUFFER_BYTES = 256 * 1024
"""Bytes per call of ``RequestBody.read``."""

DRAINED_BYTES = 64 * 1024
"""An unwanted rest of a body of up to this size is read. For a longer one, a new connection costs
less."""

MAX_HEADER_LINES = 1000
"""Of a response, trailers included. S3 allows 2 KB of metadata: fewer lines."""

STALE_CODES = frozenset(
    {
        pycurl.E_GOT_NOTHING,
        pycurl.E_SEND_ERROR,
        pycurl.E_RECV_ERROR,
        pycurl.E_SEND_FAIL_REWIND,
        # Instead of a response, more of the previous one came.
        pycurl.E_UNSUPPORTED_PROTOCOL,
        pycurl.E_FTP_WEIRD_SERVER_REPLY,  # the name of CURLE_WEIRD_SERVER_REPLY in pycurl
    }
)
"""libcurl's errors for a reused connection that the server has closed, or that is out of step."""

_SUPPRESS_CONNECT_HEADERS = 265  # CURLOPT_SUPPRESS_CONNECT_HEADERS: pycurl has no name for it
_DNS_SHUFFLE_ADDRESSES = 275  # CURLOPT_DNS_SHUFFLE_ADDRESSES


class TransferError(Exception):
    """There is no complete response.

    ``is_stale`` is set if a reused connection broke before the first byte of the response.
    """

    def __init__(self, message: str, *, is_stale: bool = False) -> None:
        super().__init__(message)
        self.is_stale = is_stale


class ClientClosed(TransferError):
    """The client was closed: nothing is sent any more."""


class Receiver(Protocol):
    """Receives a response. Called on the client's thread; must not block."""

    is_wanted: bool
    """Whether a request that has not been sent yet should be sent."""

    def headers(self, status: int, headers: Mapping[str, str], body: "BodyFlow") -> None:
        """Receive the status and the headers. ``body`` controls how much of the body follows."""

    def data(self, chunk: memoryview | bytes) -> None:
        """Receive some of the body. ``chunk`` is valid during the call only."""

    def end(self, error: Exception | None) -> None:
        """Receive the end of the response, complete if there is no error. Called once."""


class BodyFlow(Protocol):
    """Controls the body of a response. Thread-safe."""

    def let(self, size: int) -> None:
        """Let ``size`` more bytes flow."""

    def enough(self) -> None:
        """Note that the rest of the body is not needed."""

    def cancel(self) -> None:
        """Cancel the request. ``Receiver.end`` follows, with an error."""


class RequestBody(Protocol):
    """The body of a PUT. Called on the client's thread; must not block."""

    length: int

    def read(self, size: int) -> memoryview | bytes | None:
        """Return up to ``size`` bytes: none at the end; None if ``HttpClient.resume`` follows.

        The bytes are copied after the return, but before the next call.
        """


@dataclass(slots=True, eq=False)
class Request:
    """A request. ``path`` and ``query`` are quoted, ``headers`` are signed. A ``body`` is PUT.

    ``payload`` is the signed hash of the payload, or what stands for it.
    """

    path: str
    query: str
    headers: Mapping[str, str]
    receiver: Receiver
    body: RequestBody | None = None
    payload: str = "UNSIGNED-PAYLOAD"


def object_path(bucket: str, key: str) -> str:
    """Return the path of exactly this key, quoted."""
    return f"/{bucket}/{quote(key, safe='-._~/')}"


class Owner(Protocol):
    """What a transfer uses of its client."""

    @property
    def is_current_thread(self) -> bool: ...
    def sign(self, request: Request) -> Mapping[str, str]: ...
    def call(self, call: Callable[[], None]) -> None: ...
    def begun(self, transfer: "Transfer", status: int) -> None: ...
    def retry(self, transfer: "Transfer") -> None: ...
    def ended(self, transfer: "Transfer", request: Request, *, has_begun: bool) -> None: ...


class Transfer:
    """Sends one request after another. All methods run on the client's thread."""

    def __init__(self, owner: Owner, endpoint: Endpoint) -> None:
        self._owner = owner
        self._endpoint = endpoint
        self._request: Request | None = None
        self.round = 0  # of ``AdaptiveConcurrency``
        self.curl = _easy_handle(endpoint)
        # Headers are parsed all at once: a call into Python for each of them would cost more.
        self._lines: deque[bytes] = deque(maxlen=MAX_HEADER_LINES)
        self.curl.setopt(pycurl.HEADERFUNCTION, self._lines.append)
        self.curl.setopt(pycurl.WRITEFUNCTION, self._on_body, use_memoryview=True)
        self.curl.setopt(pycurl.READFUNCTION, self._on_read)
        self._is_upload = True  # neither method is set up yet
        self._is_fresh = False
        self._forget()

    def _forget(self) -> None:
        self._lines.clear()
        self._has_begun = False
        self._allowed = 0
        self._left: int | None = None
        self._early = b""
        self._is_dropped = False
        self.is_receiving_headers = False
        self._is_complete = False
        self._error: Exception | None = None
        self._flow: _Flow | None = None

    def prepare(self, request: Request) -> None:
        """Set up the handle for ``request``. Raises the errors of signing."""
        headers = self._owner.sign(request)
        curl, endpoint = self.curl, self._endpoint
        target = f"{request.path}?{request.query}" if request.query else request.path
        lines = [f"{name}: {value}" for name, value in headers.items()]
        if request.body is None:
            if self._is_upload:
                curl.setopt(pycurl.HTTPGET, 1)
                curl.setopt(pycurl.LOW_SPEED_TIME, STALL_SECONDS)
        else:
            curl.setopt(pycurl.UPLOAD, 1)
            curl.setopt(pycurl.INFILESIZE_LARGE, request.body.length)
            curl.setopt(pycurl.LOW_SPEED_TIME, UPLOAD_STALL_SECONDS)
            lines.append("Expect:")  # "100 Continue" would cost a round trip for each part
        self._is_upload = request.body is not None
        curl.setopt(pycurl.URL, f"{endpoint.url}{target}")
        curl.setopt(pycurl.HTTPHEADER, lines)
        if self._is_fresh:
            curl.setopt(pycurl.FRESH_CONNECT, 0)
            self._is_fresh = False
        self._request = request

    def complete(self) -> None:
        """Note that libcurl has received the whole response."""
        if not self._has_begun:
            try:
                self._begin()
            except Exception as error:  # noqa: BLE001  (of the receiver: it ends this request)
                self.end(error)
                return
        if self._early and not self._is_dropped:
            self._is_complete = True  # the receiver has not allowed the end of the body yet
        else:
            self.end(None)

    def fail(self, code: int, message: str) -> None:
        """Note that libcurl has given up. ``code`` is a ``CURLcode``."""
        is_stale = (
            code in STALE_CODES
            and not self._has_begun
            and not self._lines
            and not self.curl.getinfo(pycurl.NUM_CONNECTS)
        )
        request = self._request
        if is_stale and not self._is_fresh and request is not None and request.body is None:
            self._is_fresh = True
            self.curl.setopt(pycurl.FRESH_CONNECT, 1)
            self._owner.retry(self)
            return
        if self._lines and not self._has_begun:
            with suppress(Exception):  # the error below tells more
                self._begin()  # S3 may have throttled the request
        message = message or f"libcurl error {code}"
        self.end(self._error or TransferError(message, is_stale=is_stale))

    def end(self, error: Exception | None) -> None:
        """End the request. An incomplete response closes its connection."""
        request, self._request = self._request, None
        if request is None:
            return
        if self._flow is not None:
            self._flow.is_over = True
        self._owner.ended(self, request, has_begun=self._has_begun)
        self._forget()
        request.receiver.end(error)

    def resume(self) -> None:
        """Continue a transfer that waits, for its receiver or for its own body."""
        try:
            self.curl.pause(pycurl.PAUSE_CONT)
        except pycurl.error as error:
            self.end(self._error or TransferError(str(error)))

    # Callbacks of libcurl. An exception in one of them would be printed and lost.

    def _on_body(self, data: memoryview) -> int | None:
        if self._is_dropped:
            return None
        try:
            if not self._has_begun:
                self._begin()
            if self._allowed <= 0:
                return pycurl.WRITEFUNC_PAUSE  # libcurl keeps ``data``
            self._deliver(data)
        except Exception as error:  # noqa: BLE001  (of the receiver: it ends this request)
            self._error = error
            return 0
        return None

    def _begin(self) -> None:
        """Receive the headers."""
        assert self._request is not None
        status, headers = _parsed(self._lines)
        self._lines.clear()
        self._has_begun = True
        self._owner.begun(self, status)
        length = headers.get("content-length", "")
        self._left = int(length) if length.isdecimal() else None
        self._flow = _Flow(self, self._owner)
        self.is_receiving_headers = True
        try:
            self._request.receiver.headers(status, headers, self._flow)
        finally:
            self.is_receiving_headers = False

    def _deliver(self, data: memoryview | bytes) -> None:
        """Deliver as much as is allowed, and keep the rest."""
        assert self._request is not None
        if len(data) > self._allowed:
            data, self._early = data[: self._allowed], bytes(data[self._allowed :])
        self._allowed -= len(data)
        if self._left is not None:
            self._left -= len(data)
        self._request.receiver.data(data)

    def _on_read(self, size: int) -> memoryview | bytes | int:
        assert self._request is not None
        assert self._request.body is not None
        try:
            data = self._request.body.read(size)
        except Exception as error:  # noqa: BLE001
            self._error = error
            return pycurl.READFUNC_ABORT
        return pycurl.READFUNC_PAUSE if data is None else data

    # What the receiver asks for, through its flow.

    @property
    def has_rest(self) -> bool:
        """Return whether more of the body may follow."""
        return self._left != 0

    def let(self, size: int) -> None:
        was_waiting = self._allowed <= 0
        self._allowed += size
        if self.is_receiving_headers or not was_waiting or self._allowed <= 0:
            return
        if self._early:
            early, self._early = self._early, b""
            try:
                self._deliver(early)
            except Exception as error:  # noqa: BLE001
                self.end(error)
                return
        if self._request is None or self._early:
            return
        if self._is_complete:
            self.end(None)
        elif self._allowed > 0:
            self.resume()

    def enough(self) -> None:
        if self._left is None or self._left > DRAINED_BYTES:
            self.end(TransferError("The rest of the response is not needed."))
        elif self._left:
            self._is_dropped = True
            self._early = b""
            if self._is_complete:
                self.end(None)
            else:
                self.resume()


_BLANK_LINE = re.compile("\n\r?\n")
_HEADER = re.compile("([^:\n]+):[ \t]*([^\r\n]*)")


def _parsed(lines: Iterable[bytes]) -> tuple[int, dict[str, str]]:
    """Return the status and the headers of a response, with names in lower case.

    Interim responses (1xx) come before it. Raises TransferError without a status.
    """
    text = b"".join(lines).decode("latin-1").rstrip()
    status, _, fields = _BLANK_LINE.split(text)[-1].partition("\n")
    if not status.startswith("HTTP/"):
        raise TransferError("The response has too many headers.")
    headers = {name.lower(): value.rstrip() for name, value in _HEADER.findall(fields)}
    return int(status.split(None, 2)[1]), headers


class _Flow:
    """The handle that a receiver gets. All that it asks for happens on the client's thread."""

    __slots__ = ("_owner", "_transfer", "is_over")

    def __init__(self, transfer: Transfer, owner: Owner) -> None:
        self._transfer = transfer
        self._owner = owner
        self.is_over = False

    def let(self, size: int) -> None:
        if size <= 0:
            return
        if self._owner.is_current_thread and self._transfer.is_receiving_headers:
            self._transfer.let(size)  # the body flows without a pause
        else:
            self._do(lambda: self._transfer.let(size))

    def enough(self) -> None:
        if self._transfer.has_rest:
            self._do(self._transfer.enough)

    def cancel(self) -> None:
        self._do(lambda: self._transfer.end(TransferError("The request was canceled.")))

    def _do(self, step: Callable[[], None]) -> None:
        def if_in_progress() -> None:
            if not self.is_over:
                step()

        self._owner.call(if_in_progress)


def _set_receive_buffer(number: int, _purpose: int) -> int:
    own = socket.socket(fileno=number)
    own.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BYTES)
    own.detach()
    return pycurl.SOCKOPT_OK


OPTIONS: list[tuple[int, object]] = [
    (pycurl.NOSIGNAL, 1),
    (pycurl.PATH_AS_IS, 1),  # keys with the segments "." and ".."
    (pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_1_1),
    (pycurl.PROTOCOLS, pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS),
    (_SUPPRESS_CONNECT_HEADERS, 1),
    (_DNS_SHUFFLE_ADDRESSES, 1),
    (pycurl.LOW_SPEED_LIMIT, MIN_BYTES_PER_SECOND),
    (pycurl.BUFFERSIZE, BUFFER_BYTES),
    (pycurl.UPLOAD_BUFFERSIZE, UPLOAD_BUFFER_BYTES),
    (pycurl.SOCKOPTFUNCTION, _set_receive_buffer),
]
"""What all easy handles have in common."""


def _easy_handle(endpoint: Endpoint) -> pycurl.Curl:
    curl = pycurl.Curl()
    for option, value in OPTIONS:
        curl.setopt(option, value)
    curl.setopt(pycurl.CONNECTTIMEOUT_MS, int(CONNECT_SECONDS * 1000))
    curl.setopt(pycurl.PROXY, endpoint.proxy or "")  # an empty one turns libcurl's own search off
    if endpoint.ca_bundle:
        curl.setopt(pycurl.CAINFO, endpoint.ca_bundle)
    return curl
