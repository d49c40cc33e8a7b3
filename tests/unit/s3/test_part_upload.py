"""Part uploads: checksums in trailers, retries, and TLS."""

import hashlib
import threading
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest
from botocore.credentials import ReadOnlyCredentials

from tests.support.http_server import (
    Certificate,
    Exchange,
    Handler,
    ScriptedServer,
    closed_port,
    error,
    make_certificate,
    reply,
    response,
)
from tests.support.waiting import WAIT_SECONDS
from zipjobs.errors import ServiceUnavailable, TargetForbidden, UploadGone
from zipjobs.s3 import retry as backoff
from zipjobs.s3.bucket_owners import BucketOwners
from zipjobs.s3.http import transfer
from zipjobs.s3.http.client import HttpClient
from zipjobs.s3.http.endpoint import Endpoint
from zipjobs.s3.part_upload import BLOCK_BYTES, PartSender, UploadedPart
from zipjobs.s3.retry import ATTEMPTS
from zipjobs.s3.target import Target
from zipjobs.zipformat.crc32 import decode, encode

Serve = Callable[..., ScriptedServer]
SenderTo = Callable[..., PartSender]
Block = memoryview | bytes


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backoff, "FIRST_PAUSE_SECONDS", 0.0001)


@pytest.fixture
def serve() -> Iterator[Serve]:
    with ExitStack() as opened:

        def server(*answers: Handler, tls: Certificate | None = None) -> ScriptedServer:
            server = ScriptedServer(*answers, tls=tls.context() if tls else None)
            opened.callback(server.close)
            return server

        yield server


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def sender_to() -> Iterator[SenderTo]:
    with ExitStack() as opened:

        def sender(
            url: str, ca_bundle: str | None = None, owners: BucketOwners | None = None
        ) -> PartSender:
            credentials = ReadOnlyCredentials("id", "key", None)
            client = HttpClient(Endpoint(url, "us-east-1", ca_bundle), lambda: credentials, 4)
            opened.callback(client.close)
            return PartSender(client, owners.headers) if owners else PartSender(client)

        yield sender


def noise(size: int) -> bytes:
    return hashlib.shake_128(b"noise").digest(size)


def blocks(data: bytes) -> list[memoryview]:
    view = memoryview(data)
    return [view[at : at + BLOCK_BYTES] for at in range(0, len(data), BLOCK_BYTES)]


TARGET = Target("dst", "zips/a.zip")


def uploaded(data: bytes, number: int = 3) -> UploadedPart:
    return UploadedPart(number, '"e"', zlib.crc32(data), len(data))


class Attempts:
    """Opens a part's blocks and counts the attempts."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.opened = 0

    def __call__(self) -> Iterable[Block]:
        self.opened += 1
        return iter(blocks(self.data))

    def sent_by(self, sender: PartSender) -> UploadedPart:
        return sender.put(TARGET, "upload", 3, len(self.data), self)


def unframed(raw: bytes) -> tuple[bytes, Mapping[str, str]]:
    """Return the content and the trailers of an aws-chunked body, by S3's documentation."""
    payload, at = [], 0
    while True:
        end = raw.index(b"\r\n", at)
        size, at = int(raw[at:end], 16), end + 2
        if not size:
            break
        payload.append(raw[at : at + size])
        assert raw[at + size : at + size + 2] == b"\r\n"
        at += size + 2
    assert all(len(piece) >= 8192 for piece in payload[:-1])  # the minimum of S3
    assert raw.endswith(b"\r\n\r\n")
    trailers = (line.partition(":") for line in raw[at:-4].decode().split("\r\n"))
    return b"".join(payload), {name: value for name, _, value in trailers}


class Bucket:
    """Accepts parts like S3 and stores their sizes and digests."""

    def __init__(self) -> None:
        self.parts: list[tuple[int, str]] = []
        self._lock = threading.Lock()

    def __call__(self, exchange: Exchange) -> None:
        headers = exchange.request.headers
        raw = exchange.read_body()
        payload, trailers = unframed(raw)
        assert len(payload) == int(headers["x-amz-decoded-content-length"])
        checksum = encode(zlib.crc32(payload))
        assert trailers == {headers["x-amz-trailer"]: checksum}
        with self._lock:
            self.parts.append((len(payload), sha(payload)))
        headers_sent = {"ETag": '"e"', headers["x-amz-trailer"]: checksum}
        exchange.send(response(headers=headers_sent))


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize(
    "length",
    [0, 1, 1000, BLOCK_BYTES - 1, BLOCK_BYTES, BLOCK_BYTES + 1, 3 * BLOCK_BYTES, 3_333_333],
)
def test_a_part_is_sent_with_its_length_and_its_checksum(
    serve: Serve, sender_to: SenderTo, length: int
) -> None:
    """The second part on the connection would fail if the length were wrong."""
    bucket, data = Bucket(), noise(length)
    server = serve(bucket)
    sender = sender_to(server.url)
    for _ in range(2):
        assert Attempts(data).sent_by(sender) == uploaded(data)
    assert bucket.parts == [(length, sha(data))] * 2
    assert server.connections == 1


def test_blocks_can_come_from_a_generator(serve: Serve, sender_to: SenderTo) -> None:
    bucket, data = Bucket(), noise(BLOCK_BYTES + 5)

    def stream() -> Iterator[Block]:
        yield data[:BLOCK_BYTES]
        yield data[BLOCK_BYTES:]

    sender_to(serve(bucket).url).put(TARGET, "upload", 1, len(data), stream)
    assert bucket.parts == [(len(data), sha(data))]


def test_a_block_is_requested_after_the_previous_one_is_sent(
    serve: Serve, sender_to: SenderTo
) -> None:
    """The memory of the previous block can be used again then."""
    seen = threading.Event()

    def read_a_block(exchange: Exchange) -> None:
        exchange.read_body(BLOCK_BYTES)
        seen.set()
        exchange.read_body()
        checksum = encode(zlib.crc32(noise(BLOCK_BYTES) + b"!"))
        exchange.send(response(headers={"ETag": '"e"', "x-amz-checksum-crc32": checksum}))

    def stream() -> Iterator[Block]:
        yield noise(BLOCK_BYTES)
        assert seen.wait(WAIT_SECONDS)
        yield b"!"

    sent = sender_to(serve(read_a_block).url).put(TARGET, "upload", 1, BLOCK_BYTES + 1, stream)
    assert sent.etag == '"e"'


def test_a_part_in_memory_has_its_checksum_in_a_header(serve: Serve, sender_to: SenderTo) -> None:
    data = noise(2 * BLOCK_BYTES + 5)
    bodies: list[bytes] = []

    def accept(exchange: Exchange) -> None:
        bodies.append(exchange.read_body())
        checksum = exchange.request.headers["x-amz-checksum-crc32"]
        exchange.send(response(headers={"ETag": '"e"', "x-amz-checksum-crc32": checksum}))

    server = serve(accept)
    sent = sender_to(server.url).put(TARGET, "upload", 1, len(data), lambda: blocks(data))
    assert sent == uploaded(data, number=1)
    assert bodies == [data]
    headers = server.requests[0].headers
    assert headers["x-amz-checksum-crc32"] == encode(zlib.crc32(data))
    assert "x-amz-trailer" not in headers


OBJECT_LOCK = (
    b"<Error><Code>InvalidRequest</Code><Message>Content-MD5 OR x-amz-checksum- HTTP header is "
    b"required for Put Part requests with Object Lock parameters</Message></Error>"
)


def test_a_bucket_that_refuses_trailing_checksums_gets_them_in_headers(
    serve: Serve, sender_to: SenderTo
) -> None:
    """The bytes are opened once for the refused attempt, and twice for each attempt after it."""
    bodies: list[bytes] = []

    def accept(exchange: Exchange) -> None:
        body = exchange.read_body()
        checksum = exchange.request.headers.get("x-amz-checksum-crc32")
        if checksum is None:
            exchange.send(response(OBJECT_LOCK, 400))
        else:
            bodies.append(body)
            exchange.send(response(headers={"ETag": '"e"', "x-amz-checksum-crc32": checksum}))

    server, part = serve(accept), Attempts(noise(BLOCK_BYTES + 1))
    sender = sender_to(server.url)
    assert part.sent_by(sender) == uploaded(part.data)
    assert (part.opened, len(server.requests)) == (3, 2)
    part.sent_by(sender)
    assert (part.opened, len(server.requests)) == (5, 3)
    assert bodies == [part.data] * 2


@pytest.mark.parametrize("left_out", ["ETag", "x-amz-checksum-crc32"])
def test_a_response_without_etag_or_checksum_is_an_error_that_says_so(
    serve: Serve, sender_to: SenderTo, left_out: str
) -> None:
    headers = {"ETag": '"e"', "x-amz-checksum-crc32": encode(zlib.crc32(b"hello"))}
    del headers[left_out]
    sender = sender_to(serve(reply(response(headers=headers))).url)
    with pytest.raises(ServiceUnavailable, match=f"no {left_out.lower()}"):
        Attempts(b"hello").sent_by(sender)


# Failures


def during_body(then: Handler) -> Handler:
    """Fail while the body is received."""

    def answer(exchange: Exchange) -> None:
        exchange.read_body(100_000)
        then(exchange)

    return answer


def respond_early(exchange: Exchange) -> None:
    exchange.send(error(503, "SlowDown"))
    exchange.hang_up()


OTHER_CHECKSUM = {"ETag": '"e"', "x-amz-checksum-crc32": encode(decode("DUoRhQ==") ^ 1)}
FAILURES: dict[str, Handler] = {
    "503": reply(error(503, "SlowDown")),
    "429": reply(error(429, "TooManyRequests")),
    "500": reply(error(500, "InternalError")),
    "500 of a proxy": reply(response(b"<html>Oh no</html>", 500)),
    "body too slow": reply(error(400, "RequestTimeout")),
    "body damaged": reply(error(400, "BadDigest")),
    "another checksum": reply(response(headers=OTHER_CHECKSUM)),
    "reset in the body": during_body(Exchange.reset),
    "closed in the body": during_body(Exchange.hang_up),
    "response in the body": during_body(respond_early),
    "reset before the response": reply(then=Exchange.reset),
    "closed before the response": reply(then=Exchange.hang_up),
    "half a response": reply(response(b"hello")[:-2], then=Exchange.hang_up),
    "no HTTP": reply(b"220 smtp.example ESMTP\r\n\r\n", then=Exchange.hang_up),
}


@pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES)
def test_after_a_transient_failure_the_part_is_opened_again(
    serve: Serve, sender_to: SenderTo, failure: Handler
) -> None:
    bucket, part = Bucket(), Attempts(noise(5 * BLOCK_BYTES + 1))
    server = serve(failure, failure, bucket)
    sent = part.sent_by(sender_to(server.url))
    assert sent.crc32 == zlib.crc32(part.data)
    assert bucket.parts == [(len(part.data), sha(part.data))]
    assert (part.opened, len(server.requests)) == (3, 3)


def test_each_attempt_names_the_expected_bucket_owner(serve: Serve, sender_to: SenderTo) -> None:
    server = serve(reply(error(503, "SlowDown")), Bucket())
    owners = BucketOwners("123456789012", {"dst": "111122223333"})
    Attempts(b"part").sent_by(sender_to(server.url, owners=owners))
    owners_sent = [sent.headers["x-amz-expected-bucket-owner"] for sent in server.requests]
    assert owners_sent == ["111122223333"] * 2


def test_after_the_last_attempt_the_service_is_unavailable(
    serve: Serve, sender_to: SenderTo
) -> None:
    server, part = serve(reply(error(503, "SlowDown"))), Attempts(b"hello")
    with pytest.raises(ServiceUnavailable, match=r"part 3 of s3://dst/zips/a.zip failed: SlowDown"):
        part.sent_by(sender_to(server.url))
    assert part.opened == len(server.requests) == ATTEMPTS


def test_there_is_a_pause_before_each_retry(
    serve: Serve, sender_to: SenderTo, monkeypatch: pytest.MonkeyPatch
) -> None:
    after: list[int] = []
    slept: list[float] = []

    def pause_seconds(attempt: int) -> float:
        after.append(attempt)
        return attempt / 1000

    monkeypatch.setattr(backoff, "pause_seconds", pause_seconds)
    monkeypatch.setattr(time, "sleep", slept.append)
    with pytest.raises(ServiceUnavailable):
        Attempts(b"hello").sent_by(sender_to(serve(reply(error(503, "SlowDown"))).url))
    assert after == list(range(1, ATTEMPTS))
    assert slept == [attempt / 1000 for attempt in after]


def test_a_part_without_a_response_is_sent_again(
    serve: Serve, sender_to: SenderTo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfer, "UPLOAD_STALL_SECONDS", 1)
    bucket, part = Bucket(), Attempts(noise(1000))
    server = serve(reply(then=Exchange.stall), bucket)
    part.sent_by(sender_to(server.url))
    assert (part.opened, len(server.requests)) == (2, 2)


def test_the_connect_timeout_does_not_apply_to_blocks(
    serve: Serve, sender_to: SenderTo, certificate: Certificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfer, "CONNECT_SECONDS", 0.1)
    bucket, part = Bucket(), Attempts(noise(8 * BLOCK_BYTES))

    def accept_slowly(exchange: Exchange) -> None:
        exchange.server.released.wait(0.5)
        bucket(exchange)

    for tls in (None, certificate):
        part.opened = 0
        server = serve(accept_slowly, tls=tls)
        sender = sender_to(server.url, str(certificate.file))
        for opened in (1, 2):  # the second time on the same connection
            part.sent_by(sender)
            assert (part.opened, len(server.requests)) == (opened, opened)


def test_a_refused_connection_is_a_transient_error(sender_to: SenderTo) -> None:
    part = Attempts(b"hello")
    with closed_port() as port, pytest.raises(ServiceUnavailable, match="connect"):
        part.sent_by(sender_to(f"http://127.0.0.1:{port}"))


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (reply(error(403, "AccessDenied")), TargetForbidden),
        (reply(error(404, "NoSuchUpload")), UploadGone),
        (reply(error(400, "EntityTooLarge")), TargetForbidden),
        (reply(response(status=403)), TargetForbidden),
    ],
)
def test_a_permanent_failure_is_not_retried(
    serve: Serve, sender_to: SenderTo, answer: Handler, expected: type[Exception]
) -> None:
    server, part = serve(answer), Attempts(b"hello")
    with pytest.raises(expected):
        part.sent_by(sender_to(server.url))
    assert part.opened == len(server.requests) == 1


def test_redirects_are_not_followed(serve: Serve, sender_to: SenderTo) -> None:
    elsewhere = serve(Bucket())
    body = b"<Error><Code>PermanentRedirect</Code></Error>"
    server = serve(reply(response(body, 301, {"Location": f"{elsewhere.url}/dst/a"})))
    with pytest.raises(TargetForbidden, match="PermanentRedirect"):
        Attempts(b"hello").sent_by(sender_to(server.url))
    assert elsewhere.requests == []


class Interrupted(Exception):
    """An error of a part's blocks."""


@pytest.mark.parametrize("sent_blocks", [0, 1, 3])
def test_after_an_error_of_the_blocks_the_next_part_is_sent(
    serve: Serve, sender_to: SenderTo, sent_blocks: int
) -> None:
    def breaking() -> Iterator[Block]:
        yield from blocks(noise(sent_blocks * BLOCK_BYTES))
        raise Interrupted

    bucket = Bucket()
    server = serve(bucket)
    sender = sender_to(server.url)
    with pytest.raises(Interrupted):
        sender.put(TARGET, "upload", 1, 5 * BLOCK_BYTES, breaking)
    part = Attempts(noise(1000))
    part.sent_by(sender)
    assert bucket.parts == [(1000, sha(part.data))]


def test_an_error_of_opening_the_part_is_raised(serve: Serve, sender_to: SenderTo) -> None:
    def fails() -> Iterable[Block]:
        raise Interrupted

    server = serve(Bucket())
    with pytest.raises(Interrupted):
        sender_to(server.url).put(TARGET, "upload", 1, 5, fails)
    assert server.requests == []


def test_many_threads_share_a_sender(serve: Serve, sender_to: SenderTo) -> None:
    bucket = Bucket()
    server = serve(bucket)
    sender, part = sender_to(server.url), Attempts(noise(100_000))
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda _: part.sent_by(sender), range(40)))
    assert bucket.parts == [(100_000, sha(part.data))] * 40
    assert server.connections <= 4


# TLS


def test_parts_are_sent_through_tls(
    serve: Serve, sender_to: SenderTo, certificate: Certificate
) -> None:
    bucket, part = Bucket(), Attempts(noise(2 * BLOCK_BYTES + 1))
    server = serve(bucket, tls=certificate)
    part.sent_by(sender_to(server.url, str(certificate.file)))
    assert bucket.parts == [(len(part.data), sha(part.data))]


def test_a_server_without_a_trusted_certificate_gets_nothing(
    serve: Serve, sender_to: SenderTo, certificate: Certificate
) -> None:
    server = serve(Bucket(), tls=certificate)
    with pytest.raises(ServiceUnavailable, match="certificate"):
        Attempts(b"hello").sent_by(sender_to(server.url))
    assert server.requests == []


def test_certificates_are_not_used_without_tls(
    serve: Serve, sender_to: SenderTo, certificate: Certificate
) -> None:
    bucket = Bucket()
    Attempts(b"hello").sent_by(sender_to(serve(bucket).url, str(certificate.file)))
    assert len(bucket.parts) == 1
