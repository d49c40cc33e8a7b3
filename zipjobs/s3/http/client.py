"""HTTP requests to one S3 endpoint through libcurl, many at once (docs/adr/0002).

One thread runs all transfers: libcurl's multi interface with epoll. A body flows only as far as its
receiver allows. libcurl stops reading from a connection whose receiver does not, and TCP holds the
sender back. So a receiver can learn an object's size from the headers, and make room for it first.

Requests wait in order until a connection is free and ``AdaptiveConcurrency`` allows one more. A
request that is sent again waits for its pause to end. Then it goes before all new requests.
"""

import logging
import select
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from heapq import heappop, heappush
from itertools import count

import pycurl

from zipjobs.s3.http.concurrency import AdaptiveConcurrency
from zipjobs.s3.http.endpoint import Endpoint
from zipjobs.s3.http.signing import Credentials, Signer
from zipjobs.s3.http.transfer import ClientClosed, Request, Transfer, TransferError

logger = logging.getLogger(__name__)

IDLE_POLL_SECONDS = 1.0

CLOSE_SECONDS = 5.0
"""libcurl waits for the system's resolver when it closes. A dead name server may take longer."""


class HttpClient:
    """Sends requests to ``endpoint``, at most ``connections`` at the same time. Thread-safe.

    ``on_request`` is called on the client's thread for each request that is sent. ``name`` is that
    of the thread.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        credentials: Callable[[], Credentials],
        connections: int,
        on_request: Callable[[], None] = lambda: None,
        name: str = "s3-client",
    ) -> None:
        self.concurrency = AdaptiveConcurrency(connections)
        self._endpoint = endpoint
        self._signer = Signer(endpoint.authority, endpoint.region, credentials)
        self._on_request = on_request
        self._connections = connections
        self._active: dict[Request, Transfer] = {}
        self._transfers: dict[pycurl.Curl, Transfer] = {}
        self._idle: list[Transfer] = []
        self._waiting: deque[Request] = deque()
        self._again: deque[Request] = deque()
        self._paused: list[tuple[float, int, Request]] = []  # a heap, by the end of the pause
        self._numbers = count()
        self._calls: deque[Callable[[], None]] = deque()
        self._timer: float | None = None
        self._unwatched: set[int] = set()
        self._is_closing = False
        self._is_closed = False
        self._wake_in, self._wake_out = socket.socketpair()
        self._wake_in.setblocking(False)
        self._wake_out.setblocking(False)
        self._epoll = select.epoll()
        self._epoll.register(self._wake_out.fileno(), select.EPOLLIN)
        self._multi = pycurl.CurlMulti()
        self._multi.setopt(pycurl.M_SOCKETFUNCTION, self._on_socket)
        self._multi.setopt(pycurl.M_TIMERFUNCTION, self._on_timer)
        self._multi.setopt(pycurl.M_MAXCONNECTS, connections)
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def send(self, request: Request) -> None:
        """Send a request when its turn comes."""
        self._waiting.append(request)
        self._has_changed()

    def send_again(self, request: Request, pause_seconds: float = 0.0) -> None:
        """Send a request after a pause, and then before all that have not been sent at all."""
        heappush(self._paused, (time.monotonic() + pause_seconds, next(self._numbers), request))
        self._has_changed()

    def resume(self, request: Request) -> None:
        """Note that ``request.body`` has more bytes to send."""

        def resume() -> None:
            if transfer := self._active.get(request):
                transfer.resume()

        self.call(resume)

    def cancel(self, request: Request) -> None:
        """End a request, if it has not ended, with an error."""

        def cancel() -> None:
            if transfer := self._active.get(request):
                transfer.end(TransferError("The request was canceled."))

        self.call(cancel)

    def renew_credentials(self) -> None:
        """Fetch the credentials again for the next request: S3 says that they have expired."""
        self._signer.renew()

    def close(self) -> None:
        """Close every connection. Requests in progress, waiting or sent later end with an error.

        Returns after ``CLOSE_SECONDS`` at the latest.
        """
        self._is_closing = True
        self._wake()
        if not self.is_current_thread:
            self._thread.join(CLOSE_SECONDS)

    def call(self, call: Callable[[], None]) -> None:
        """Run ``call`` on the client's thread, soon."""
        self._calls.append(call)
        self._has_changed()

    @property
    def waiting(self) -> int:
        """The number of requests that wait for their turn, without those in a pause."""
        return len(self._waiting) + len(self._again)

    @property
    def paused(self) -> int:
        """The number of requests that wait for the end of their pause."""
        return len(self._paused)

    def _has_changed(self) -> None:
        if self._is_closed:
            self._refuse()
        else:
            self._wake()

    def _wake(self) -> None:
        if not self.is_current_thread:
            with suppress(OSError):  # the thread has been woken already, or has ended
                self._wake_in.send(b"!")

    def _refuse(self) -> None:
        """End what waits: nothing is sent any more. On whatever thread comes first."""
        with suppress(IndexError):
            while self._calls:
                self._calls.popleft()()
        with suppress(IndexError):
            while self._paused:
                self._again.append(heappop(self._paused)[2])
        for queue in (self._again, self._waiting):
            with suppress(IndexError):
                while True:
                    queue.popleft().receiver.end(ClientClosed("The client was closed."))

    # On the client's thread.

    def _run(self) -> None:
        try:
            while not self._is_closing:
                self._wait()
                self._catch_up()
        except Exception:
            logger.exception("The S3 client ends: a receiver failed")
        for transfer in list(self._active.values()):
            with suppress(Exception):
                transfer.end(ClientClosed("The client was closed."))
        self._is_closed = True
        self._refuse()
        for transfer in self._idle:
            transfer.curl.close()
        self._multi.close()
        self._epoll.close()
        self._wake_in.close()
        self._wake_out.close()

    def _wait(self) -> None:
        """Wait for connections, for other threads, or until something is due."""
        wake = self._wake_out.fileno()
        for number, events in self._epoll.poll(self._patience()):
            if number == wake:
                self._wake_out.recv(4096)
            elif number in self._unwatched:
                self._unwatched.discard(number)
                with suppress(OSError):  # closed sockets leave epoll by themselves
                    self._epoll.unregister(number)
            else:
                self._act(number, events)

    def _patience(self) -> float:
        """Return the seconds until there is something to do, if nothing happens before."""
        now = time.monotonic()
        until = [now + IDLE_POLL_SECONDS]
        if self._paused:
            until.append(self._paused[0][0])
        if self._timer is not None:
            until.append(self._timer)
        return max(0.0, min(until) - now)

    def _act(self, number: int, events: int) -> None:
        flags = 0
        if events & (select.EPOLLIN | select.EPOLLHUP | select.EPOLLRDHUP):
            flags |= pycurl.CSELECT_IN
        if events & select.EPOLLOUT:
            flags |= pycurl.CSELECT_OUT
        if events & select.EPOLLERR:
            flags |= pycurl.CSELECT_ERR
        self._multi.socket_action(number, flags)

    def _on_socket(self, what: int, number: int, _multi: pycurl.CurlMulti, _data: object) -> None:
        events = 0
        if what in (pycurl.POLL_IN, pycurl.POLL_INOUT):
            events |= select.EPOLLIN
        if what in (pycurl.POLL_OUT, pycurl.POLL_INOUT):
            events |= select.EPOLLOUT
        if what == pycurl.POLL_REMOVE:
            self._unwatched.add(number)  # most are watched again for the next request
            return
        self._unwatched.discard(number)
        try:
            self._epoll.modify(number, events)
        except FileNotFoundError:
            self._epoll.register(number, events)

    def _on_timer(self, milliseconds: int) -> None:
        self._timer = None if milliseconds < 0 else time.monotonic() + milliseconds / 1000

    def _catch_up(self) -> None:
        """Do all that can be done without waiting for a connection."""
        while True:
            if self._timer is not None and self._timer <= time.monotonic():
                self._timer = None
                self._multi.socket_action(pycurl.SOCKET_TIMEOUT, 0)
            self._finish_transfers()
            while self._calls:
                self._calls.popleft()()
            if self._paused:
                now = time.monotonic()
                while self._paused and self._paused[0][0] <= now:
                    self._again.append(heappop(self._paused)[2])
            while (self._again or self._waiting) and self._may_start():
                self._start((self._again or self._waiting).popleft())
            is_due = self._timer is not None and self._timer <= time.monotonic()
            if not self._calls and not is_due:
                return

    def _may_start(self) -> bool:
        return len(self._active) < self._connections and self.concurrency.may_send

    def _start(self, request: Request) -> None:
        if not request.receiver.is_wanted:
            request.receiver.end(TransferError("The request was canceled."))
            return
        self._on_request()
        transfer = self._idle.pop() if self._idle else self._new_transfer()
        try:
            transfer.prepare(request)
        except Exception as error:  # noqa: BLE001  (of the credentials: it would end this thread)
            self._idle.append(transfer)
            request.receiver.end(error)
            return
        transfer.round = self.concurrency.sent()
        self._active[request] = transfer
        self._multi.add_handle(transfer.curl)

    def _new_transfer(self) -> Transfer:
        transfer = Transfer(self, self._endpoint)
        self._transfers[transfer.curl] = transfer
        return transfer

    def _finish_transfers(self) -> None:
        while True:
            more, completed, failed = self._multi.info_read()
            for curl in completed:
                self._transfers[curl].complete()
            for curl, code, message in failed:
                self._transfers[curl].fail(code, message)
            if not more:
                return

    # What transfers need.

    @property
    def is_current_thread(self) -> bool:
        return threading.get_ident() == self._thread.ident

    def sign(self, request: Request) -> Mapping[str, str]:
        method = "GET" if request.body is None else "PUT"
        path = self._endpoint.path + request.path
        return self._signer.sign(method, path, request.query, request.headers, request.payload)

    def begun(self, transfer: Transfer, status: int) -> None:
        self.concurrency.answered(status, transfer.round)

    def retry(self, transfer: Transfer) -> None:
        self._multi.remove_handle(transfer.curl)
        self._multi.add_handle(transfer.curl)

    def ended(self, transfer: Transfer, request: Request, *, has_begun: bool) -> None:
        if not has_begun:
            self.concurrency.lost()
        del self._active[request]
        self._multi.remove_handle(transfer.curl)
        self._idle.append(transfer)
