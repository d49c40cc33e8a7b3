"""HTTP/1.1 as far as GET needs it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zipjobs.s3.wire import Chunks, WireError, parse_head, request


def head_of(*lines: str) -> bytes:
    return "\r\n".join(lines).encode("latin-1")


def test_a_request_is_a_line_its_headers_and_a_blank_line() -> None:
    made = request("GET", "/src/a?versionId=1", {"host": "s3", "range": "bytes=0-9"})
    assert made == b"GET /src/a?versionId=1 HTTP/1.1\r\nhost: s3\r\nrange: bytes=0-9\r\n\r\n"


def test_a_head_is_status_and_headers_whose_names_come_in_lower_case() -> None:
    head = parse_head(
        head_of("HTTP/1.1 206 Partial Content", "Content-Length: 10", 'ETag:"a:b"', "X-Odd:  y z ")
    )
    assert (head.status, head.length) == (206, 10)
    assert head.headers == {"content-length": "10", "etag": '"a:b"', "x-odd": "y z"}


def test_a_head_may_have_no_reason_and_no_headers() -> None:
    head = parse_head(b"HTTP/1.1 500")
    assert (head.status, head.length, dict(head.headers)) == (500, None, {})


@pytest.mark.parametrize("name", ["Transfer-Encoding", "transfer-encoding"])
@pytest.mark.parametrize("value", ["chunked", "Chunked", "identity, chunked"])
def test_a_chunked_body_ends_by_itself_whatever_length_is_announced(name: str, value: str) -> None:
    head = parse_head(head_of("HTTP/1.1 404 Not Found", f"{name}: {value}", "Content-Length: 3"))
    assert head.is_chunked
    assert head.length is None


@pytest.mark.parametrize("status", [204, 304])
def test_some_responses_never_have_a_body(status: int) -> None:
    assert parse_head(head_of(f"HTTP/1.1 {status} None", "ETag: x")).length == 0


@pytest.mark.parametrize(
    ("version", "connection", "keeps_alive"),
    [
        ("HTTP/1.1", None, True),
        ("HTTP/1.1", "keep-alive", True),
        ("HTTP/1.1", "close", False),
        ("HTTP/1.1", "Close", False),
        ("HTTP/1.0", None, False),
        ("HTTP/1.0", "Keep-Alive", True),
    ],
)
def test_the_server_says_whether_it_keeps_the_connection(
    version: str, connection: str | None, keeps_alive: bool
) -> None:
    lines = [f"{version} 200 OK", "Content-Length: 0"]
    if connection is not None:
        lines.append(f"Connection: {connection}")
    assert parse_head(head_of(*lines)).keeps_alive is keeps_alive


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"SSH-2.0-OpenSSH_9.2",
        b"HTTP/2 200",
        b"HTTP/1.1",
        b"HTTP/1.1 OK",
        b"HTTP/1.1 20",
        b"HTTP/1.1 \xb2\xb2\xb2 superscript",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1",
        b"HTTP/1.1 200 OK\r\nContent-Length: +1",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1_0",
        b"HTTP/1.1 200 OK\r\nContent-Length: 0x10",
        b"HTTP/1.1 200 OK\r\nContent-Length: ten",
        b"HTTP/1.1 200 OK\r\nContent-Length:",
        b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 5000,
    ],
)
def test_what_is_no_response_is_an_error(head: bytes) -> None:
    with pytest.raises(WireError):
        parse_head(head)


@given(st.binary(max_size=200))
def test_no_bytes_at_all_make_it_fail_otherwise(noise: bytes) -> None:
    for head in (
        noise,
        b"HTTP/1.1 200 OK\r\n" + noise,
        b"HTTP/1.1 206 OK\r\nContent-Length:" + noise,
    ):
        try:
            length = parse_head(head).length
        except WireError:
            continue
        assert length is None or length >= 0


# Chunked bodies.

PIECES = st.lists(st.binary(min_size=1, max_size=40), max_size=8)
EXTENSIONS = st.sampled_from(["", ";x=y", " ; x"])
TRAILERS = st.sampled_from(["", "x-a: 1\r\n", "x-a: 1\r\nx-b: 2\r\n"])


def framed(pieces: list[bytes], extension: str = "", trailer: str = "") -> bytes:
    chunks = [b"%x%b\r\n%b\r\n" % (len(piece), extension.encode(), piece) for piece in pieces]
    return b"".join(chunks) + f"0{extension}\r\n{trailer}\r\n".encode()


@given(PIECES, EXTENSIONS, TRAILERS, st.lists(st.integers(1, 30), min_size=1))
def test_the_payload_comes_out_however_the_framing_is_split(
    pieces: list[bytes], extension: str, trailer: str, sizes: list[int]
) -> None:
    raw = framed(pieces, extension, trailer)
    chunks, payload, at, turn = Chunks(), b"", 0, 0
    while at < len(raw):
        assert not chunks.is_over or trailer
        size = sizes[turn % len(sizes)]
        payload += chunks.feed(raw[at : at + size])
        at, turn = at + size, turn + 1
    assert payload == b"".join(pieces)
    assert chunks.is_over


@given(PIECES)
def test_a_body_that_is_not_over_yet_does_not_seem_so(pieces: list[bytes]) -> None:
    raw = framed(pieces)
    for end in range(len(raw)):
        chunks = Chunks()
        chunks.feed(raw[:end])
        assert not chunks.is_over


@pytest.mark.parametrize("digits", ["0a", "00000A", "a"])
def test_lengths_are_hexadecimal_in_any_spelling(digits: str) -> None:
    assert Chunks().feed(f"{digits}\r\n0123456789\r\n".encode()) == b"0123456789"


@pytest.mark.parametrize(
    "raw",
    [
        b"\r\n\r\n",
        b"hello\r\n",
        b";x\r\n",
        b"-5\r\nhello",
        b"+5\r\nhello",
        b"0x5\r\nhello",
        b"1_0\r\n",
        b"5\r\nhello!\r\n",
        b"1" * 2000,
    ],
)
def test_framing_that_makes_no_sense_is_an_error(raw: bytes) -> None:
    with pytest.raises(WireError):
        Chunks().feed(raw)


@given(st.binary(max_size=100), st.integers(1, 100))
def test_no_bytes_at_all_make_chunks_fail_otherwise(noise: bytes, size: int) -> None:
    chunks = Chunks()
    try:
        payload = b"".join(chunks.feed(noise[at : at + size]) for at in range(0, len(noise), size))
    except WireError:
        return
    assert len(payload) <= len(noise)
