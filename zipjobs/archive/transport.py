"""GET requests to S3 on AWS's Common Runtime: many at once, for a tenth of boto3's CPU.

Each connection serves one request at a time. A body does not flow before it is asked for: the
receive window of every response starts closed, so whoever reads may learn an object's size from
the headers and make room for it first. Callbacks run on the runtime's one event-loop thread.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import urlsplit

from awscrt.auth import (
    AwsCredentialsProvider,
    AwsSignatureType,
    AwsSignedBodyHeaderType,
    AwsSigningAlgorithm,
    AwsSigningConfig,
    aws_sign_request,
)
from awscrt.http import HttpClientConnection, HttpHeaders, HttpRequest
from awscrt.io import (
    ClientBootstrap,
    ClientTlsContext,
    DefaultHostResolver,
    EventLoopGroup,
    SocketOptions,
    TlsConnectionOptions,
    TlsContextOptions,
)

CONNECT_TIMEOUT_MS = 3_000
STALL_SECONDS = 20.0
"""A response that ought to flow and does not for this long is given up."""

READ_BUFFER_BYTES = 32 * 1024
FIRST_WINDOW_BYTES = 1
"""With no window at all the runtime would not read the headers either (tried with 0.38.1)."""

SIGNATURE_SECONDS = 60.0
"""How long a signing time is used; S3 accepts 15 minutes."""


class Credentials(Protocol):
    """Frozen credentials, as botocore gives them."""

    @property
    def access_key(self) -> str | None: ...
    @property
    def secret_key(self) -> str | None: ...
    @property
    def token(self) -> str | None: ...


class Receiver(Protocol):
    """Whoever reads a response. Called on the event-loop thread; must not block."""

    def headers(self, status: int, headers: Mapping[str, str], body: "BodyFlow") -> None:
        """The response began. Its body flows as far as ``body`` is told to let it."""

    def data(self, chunk: bytes) -> None:
        """Some of the body."""

    def end(self, error: Exception | None) -> None:
        """The response is over, whole if there is no error. Called once."""


class BodyFlow:
    """Opens a response's receive window, or gives the response up. Safe from any thread."""

    def __init__(self, exchange: "_Exchange") -> None:
        self._exchange = exchange

    def let(self, size: int) -> None:
        """Let ``size`` more bytes flow."""
        self._exchange.open_window(size)

    def enough(self) -> None:
        """Nothing more is wanted: give the response up unless that was all of it."""
        if not self._exchange.is_whole:
            self._exchange.abandon()

    def cancel(self) -> None:
        """Give the response up: ``end`` follows, with an error."""
        self._exchange.abandon()


@dataclass(frozen=True, slots=True)
class Get:
    """A GET request: the path as it goes over the wire, and the headers to sign."""

    path: str
    headers: Mapping[str, str]
    receiver: Receiver


class Transport:
    """Connections to one S3 endpoint, at most ``max_connections`` of them."""

    def __init__(
        self,
        endpoint_url: str,
        region: str,
        credentials: Callable[[], Credentials],
        max_connections: int,
        ca_bundle: str | None = None,
    ) -> None:
        url = urlsplit(endpoint_url)
        assert url.hostname is not None
        self._host = url.hostname
        self._is_tls = url.scheme == "https"
        self._port = url.port or (443 if self._is_tls else 80)
        self.host_header = url.netloc
        self._region = region
        self._credentials = credentials
        self._max_connections = max_connections
        self._ca_bundle = ca_bundle
        self._lock = threading.Lock()
        self._idle: deque[HttpClientConnection] = deque()
        self._connections = 0
        self._waiting: deque[Get] = deque()
        self._active: set[_Exchange] = set()
        self._signing: tuple[AwsSigningConfig, float] | None = None
        self._closed = threading.Event()
        self._event_loop = EventLoopGroup(1)
        self._bootstrap = ClientBootstrap(self._event_loop, DefaultHostResolver(self._event_loop))
        self._tls = self._tls_options() if self._is_tls else None
        self._sockets = SocketOptions()
        self._sockets.connect_timeout_ms = CONNECT_TIMEOUT_MS
        threading.Thread(target=self._watch, name="s3-watch", daemon=True).start()

    def send(self, get: Get) -> None:
        """Send a request as soon as a connection is free."""
        with self._lock:
            connection = self._take_idle()
            if connection is None and self._connections >= self._max_connections:
                self._waiting.append(get)
                return
            if connection is None:
                self._connections += 1
        if connection is None:
            self._connect(get)
        else:
            self._start(connection, get)

    def close(self) -> None:
        """Close every connection; responses under way end with an error."""
        self._closed.set()
        with self._lock:
            idle, self._idle = list(self._idle), deque()
            active = list(self._active)
            self._waiting.clear()
        for connection in idle:
            connection.close()
        for exchange in active:
            exchange.abandon()

    def _take_idle(self) -> HttpClientConnection | None:
        while self._idle:
            connection = self._idle.pop()
            if connection.is_open():
                return connection
            self._connections -= 1
        return None

    def _connect(self, get: Get) -> None:
        def connected(future: Any) -> None:
            error = future.exception()
            if error is None:
                self._start(future.result(), get)
                return
            with self._lock:
                following = self._waiting.popleft() if self._waiting else None
                self._connections -= following is None
            if following is not None:
                self._connect(following)
            get.receiver.end(error)

        HttpClientConnection.new(
            host_name=self._host,
            port=self._port,
            bootstrap=self._bootstrap,
            socket_options=self._sockets,
            tls_connection_options=self._tls,
            manual_window_management=True,
            initial_window_size=FIRST_WINDOW_BYTES,
            read_buffer_capacity=READ_BUFFER_BYTES,
        ).add_done_callback(connected)

    def _start(self, connection: HttpClientConnection, get: Get) -> None:
        headers = HttpHeaders([("host", self.host_header), *get.headers.items()])
        request = HttpRequest("GET", get.path, headers)

        def signed(future: Any) -> None:
            exchange = _Exchange(self, connection, get)
            error = future.exception()
            if error is not None:
                exchange.end(error)
                return
            with self._lock:
                self._active.add(exchange)
            exchange.send(future.result())

        aws_sign_request(request, self._signing_config()).add_done_callback(signed)

    def finished(self, exchange: "_Exchange", connection: HttpClientConnection) -> None:
        """Take a connection back, and put it to the next request."""
        with self._lock:
            self._active.discard(exchange)
            is_open = connection.is_open() and not self._closed.is_set()
            following = self._waiting.popleft() if self._waiting else None
            if is_open and following is None:
                self._idle.append(connection)
            if not is_open and following is None:
                self._connections -= 1
        if following is None:
            return
        if is_open:
            self._start(connection, following)
        else:
            self._connect(following)

    def _signing_config(self) -> AwsSigningConfig:
        now = time.monotonic()
        with self._lock:
            if self._signing is None or now > self._signing[1]:
                frozen = self._credentials()
                provider = AwsCredentialsProvider.new_static(
                    frozen.access_key, frozen.secret_key, frozen.token
                )
                config = AwsSigningConfig(
                    algorithm=AwsSigningAlgorithm.V4,
                    signature_type=AwsSignatureType.HTTP_REQUEST_HEADERS,
                    credentials_provider=provider,
                    region=self._region,
                    service="s3",
                    use_double_uri_encode=False,
                    should_normalize_uri_path=False,
                    signed_body_value="UNSIGNED-PAYLOAD",
                    signed_body_header_type=AwsSignedBodyHeaderType.X_AMZ_CONTENT_SHA_256,
                )
                self._signing = (config, now + SIGNATURE_SECONDS)
            return self._signing[0]

    def _tls_options(self) -> TlsConnectionOptions:
        options = TlsContextOptions()
        if self._ca_bundle:
            options.override_default_trust_store_from_path(None, self._ca_bundle)
        connection_options: TlsConnectionOptions = ClientTlsContext(
            options
        ).new_connection_options()
        connection_options.set_server_name(self._host)
        return connection_options

    def _watch(self) -> None:
        """Give up responses that stall; the runtime has no timeout for them."""
        while not self._closed.wait(1.0):
            with self._lock:
                stalled = [exchange for exchange in self._active if exchange.is_stalled()]
            for exchange in stalled:
                exchange.abandon()


class _Exchange:
    """One request and its response on one connection."""

    def __init__(self, transport: Transport, connection: HttpClientConnection, get: Get) -> None:
        self._transport = transport
        self._connection = connection
        self._get = get
        self._stream: Any = None
        self._expected = 1  # the headers count as one byte that is due
        self._body_bytes = 0
        self._opening = threading.Lock()
        self._is_open = False
        self._early = b""  # what came through the first window before the body was asked for
        self._moved_at = time.monotonic()

    @property
    def is_whole(self) -> bool:
        """Whether the whole body has been received."""
        return self._body_bytes == 0

    def send(self, request: HttpRequest) -> None:
        try:
            self._stream = self._connection.request(request, self._on_response, self._on_body)
            self._stream.completion_future.add_done_callback(self._on_complete)
            self._stream.activate()
        except Exception as error:  # noqa: BLE001  (the receiver decides what it means)
            self.end(error)

    def open_window(self, size: int) -> None:
        if not size:
            return
        self._expected += size
        self._moved_at = time.monotonic()
        with self._opening:
            increment = size if self._is_open else size - FIRST_WINDOW_BYTES
            self._is_open = True
        if self._early:
            early, self._early = self._early, b""
            self._get.receiver.data(early)
        stream = self._stream
        if increment and stream is not None:
            stream.update_window(increment)

    def abandon(self) -> None:
        self._connection.close()

    def is_stalled(self) -> bool:
        return self._expected > 0 and time.monotonic() - self._moved_at > STALL_SECONDS

    def end(self, error: Exception | None) -> None:
        self._stream = None  # it knows this object too, and would wait for the collector
        self._transport.finished(self, self._connection)
        self._get.receiver.end(error)

    def _on_response(self, http_stream: Any, status_code: int, headers: Any) -> None:
        self._expected -= 1
        fields = {name.lower(): value for name, value in headers}
        self._body_bytes = int(fields.get("content-length", 0))
        self._get.receiver.headers(status_code, fields, BodyFlow(self))

    def _on_body(self, http_stream: Any, chunk: bytes) -> None:
        self._expected -= len(chunk)
        self._body_bytes -= len(chunk)
        self._moved_at = time.monotonic()
        if not self._is_open:
            with self._opening:
                if not self._is_open:
                    self._early = chunk
                    return
        self._get.receiver.data(chunk)

    def _on_complete(self, future: Any) -> None:
        self.end(future.exception())
