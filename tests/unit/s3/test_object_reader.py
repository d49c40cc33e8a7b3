"""Objects read through a client, whatever happens on the way."""

import hashlib
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.examples import examples
from tests.support.http_server import (
    Exchange,
    Handler,
    ScriptedServer,
    error,
    reply,
    response,
)
from tests.support.waiting import WAIT_SECONDS, wait_for
from tests.unit.s3.loopback import Loopback, Sink, an_object, noise, read, sha
from zipjobs.errors import ServiceUnavailable, SourceChanged, SourceForbidden, ZipJobsError
from zipjobs.s3 import object_reader as reader_module
from zipjobs.s3 import retry as retry_module
from zipjobs.s3.bucket_owners import BucketOwners
from zipjobs.s3.http.client import HttpClient
from zipjobs.s3.object_reader import ObjectReader
from zipjobs.s3.retry import ATTEMPTS
from zipjobs.s3.source import Source

pytestmark = pytest.mark.usefixtures("impatient")


def moved(status: int = 301, region: str = "eu-west-1") -> Handler:
    code = b"<Error><Code>PermanentRedirect</Code></Error>"
    return reply(response(code, status, {"x-amz-bucket-region": region}))


OBJECT = hashlib.shake_128(b"object").digest(300_000)
TROUBLE: list[Callable[[int], Handler]] = [
    lambda size: an_object(OBJECT, size, Exchange.hang_up),
    lambda size: an_object(OBJECT, size, Exchange.reset),
    lambda size: an_object(OBJECT, size, length=size),
    lambda size: an_object(OBJECT, length=size, then=Exchange.hang_up),
    lambda size: reply(response(b"x" * (size), 503)),
    lambda size: reply(error(500, "InternalError")),
    lambda size: reply(response(OBJECT, 206)),
    lambda size: reply(OBJECT[:size], then=Exchange.hang_up),
    lambda size: reply(then=Exchange.reset),
]


@examples(30)
@given(
    st.lists(
        st.tuples(st.sampled_from(TROUBLE), st.integers(0, 15_000) | st.integers(0, 300_000)),
        max_size=ATTEMPTS - 3,  # a trouble may meet the attempt behind it too
    )
)
def test_whatever_goes_wrong_on_the_way_what_arrives_is_the_object(
    troubled: tuple[ScriptedServer, ObjectReader],
    troubles: list[tuple[Callable[[int], Handler], int]],
) -> None:
    server, reader = troubled
    server.follow(*(trouble(size) for trouble, size in troubles), an_object(OBJECT))
    assert sha(read(reader)) == sha(OBJECT)


@pytest.fixture
def troubled(loopback: Loopback) -> tuple[ScriptedServer, ObjectReader]:
    server = loopback.serve(an_object(OBJECT))
    return server, ObjectReader(loopback.connect(server.url))


def ranges_of(server: ScriptedServer) -> list[str]:
    return [request.headers["range"] for request in server.requests]


def conditions_of(server: ScriptedServer) -> list[str | None]:
    return [request.headers.get("if-match") for request in server.requests]


@pytest.mark.usefixtures("brisk")
def test_a_body_that_stalls_is_resumed_where_it_stalled_at_the_same_state(
    loopback: Loopback,
) -> None:
    stalling = an_object(OBJECT, 1000, Exchange.stall)
    server = loopback.serve(stalling, stalling, an_object(OBJECT))
    assert sha(read(ObjectReader(loopback.connect(server.url)), flows=True)) == sha(OBJECT)
    assert ranges_of(server) == [
        "bytes=0-999999",
        "bytes=1000-299999",
        "bytes=2000-299999",
    ]
    assert conditions_of(server) == [None, '"e"', '"e"']


@pytest.mark.usefixtures("brisk")
def test_a_read_that_gets_no_answer_is_sent_again(loopback: Loopback) -> None:
    server = loopback.serve(reply(then=Exchange.stall), an_object(OBJECT))
    assert sha(read(ObjectReader(loopback.connect(server.url)), flows=True)) == sha(OBJECT)
    assert ranges_of(server) == ["bytes=0-999999"] * 2


@pytest.mark.parametrize(
    "answer",
    [
        an_object(OBJECT, 0, Exchange.reset),
        an_object(OBJECT, 10, Exchange.hang_up),
        reply(error(503, "SlowDown")),
        reply(error(429, "TooManyRequests")),
        reply(error(500, "InternalError")),
    ],
    ids=["breaks", "breaks after a few bytes", "503", "429", "500"],
)
def test_what_does_not_get_on_is_given_up_after_some_attempts(
    loopback: Loopback, answer: Handler
) -> None:
    server = loopback.serve(answer)
    with pytest.raises(ServiceUnavailable):
        read(ObjectReader(loopback.connect(server.url)), flows=True)
    wait_for("all attempts to be seen", lambda: len(server.requests) >= ATTEMPTS or None)
    assert len(server.requests) == ATTEMPTS


@pytest.mark.usefixtures("brisk")
@pytest.mark.parametrize("come", [None, 0], ids=["silent", "stalls"])
def test_what_stalls_again_and_again_is_given_up(
    loopback: Loopback, monkeypatch: pytest.MonkeyPatch, come: int | None
) -> None:
    monkeypatch.setattr(retry_module, "ATTEMPTS", 2)
    stalling = reply(then=Exchange.stall) if come is None else an_object(OBJECT, 0, Exchange.stall)
    server = loopback.serve(stalling)
    with pytest.raises(ServiceUnavailable):
        read(ObjectReader(loopback.connect(server.url)), flows=True)
    assert len(server.requests) == 2


def test_a_body_that_breaks_again_and_again_but_gets_on_is_read_to_its_end(
    loopback: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Attempts are counted from the last progress: some of them together may bring it."""
    monkeypatch.setattr(reader_module, "PROGRESS_BYTES", 10_000)
    server = loopback.serve(an_object(OBJECT, 4000, Exchange.hang_up))
    assert sha(read(ObjectReader(loopback.connect(server.url)), flows=True)) == sha(OBJECT)
    assert len(server.requests) == 75 > 7 * ATTEMPTS


def test_after_progress_there_are_as_many_attempts_as_at_first_and_no_more(
    loopback: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader_module, "PROGRESS_BYTES", 10_000)
    slow, fine = reply(error(503, "SlowDown")), an_object(OBJECT, 10_000, Exchange.hang_up)
    server = loopback.serve(*[slow] * (ATTEMPTS - 1), fine, slow)
    with pytest.raises(ServiceUnavailable, match="SlowDown"):
        read(ObjectReader(loopback.connect(server.url)), flows=True)
    assert len(server.requests) == 2 * ATTEMPTS - 1


def test_an_object_that_changes_while_it_is_read_is_said_to_have_changed(
    loopback: Loopback,
) -> None:
    """S3 answers so to If-Match with the ETag of the first response."""
    server = loopback.serve(
        an_object(OBJECT, 1000, Exchange.hang_up), reply(error(412, "PreconditionFailed"))
    )
    with pytest.raises(SourceChanged, match="s3://src/a changed"):
        read(ObjectReader(loopback.connect(server.url)), flows=True)
    assert conditions_of(server) == [None, '"e"']


def test_bytes_of_another_state_are_never_taken(loopback: Loopback) -> None:
    """Whatever answers, and does not mind If-Match."""
    server = loopback.serve(
        an_object(OBJECT, 1000, Exchange.hang_up), an_object(noise(300_000), etag='"f"')
    )
    with pytest.raises(ServiceUnavailable, match='ETag "f", not "e"'):
        read(ObjectReader(loopback.connect(server.url)), flows=True)


def test_a_body_that_breaks_while_nobody_wants_it_is_asked_for_when_somebody_does(
    loopback: Loopback,
) -> None:
    server = loopback.serve(an_object(OBJECT, 100, Exchange.reset), an_object(OBJECT))
    client = loopback.connect(server.url)
    sink = Sink()
    under_way = ObjectReader(client).read(Source("src", "a"), 0, 1_000_000, sink, None)
    assert sink.has_begun.wait(WAIT_SECONDS)
    under_way.proceed(sink.length)
    assert sink.over.wait(WAIT_SECONDS)
    assert sha(sink.body) == sha(OBJECT)
    assert len(server.requests) == 2


def test_a_body_that_broke_while_nobody_wanted_it_cannot_be_had_of_a_closed_client(
    loopback: Loopback,
) -> None:
    client = loopback.to(an_object(OBJECT, 100, Exchange.reset))
    sink = Sink()
    under_way = ObjectReader(client).read(Source("src", "a"), 0, 1_000_000, sink, None)
    assert sink.has_begun.wait(WAIT_SECONDS)
    client.close()
    under_way.proceed(sink.length)
    assert sink.over.wait(WAIT_SECONDS)
    assert isinstance(sink.error, ServiceUnavailable)


def test_a_body_that_broke_and_of_which_nothing_is_wanted_is_over(loopback: Loopback) -> None:
    server = loopback.serve(an_object(OBJECT, 100, Exchange.reset))
    client = loopback.connect(server.url)
    sink = Sink()
    under_way = ObjectReader(client).read(Source("src", "a"), 0, 1_000_000, sink, None)
    assert sink.has_begun.wait(WAIT_SECONDS)
    under_way.proceed(0)
    assert sink.over.wait(WAIT_SECONDS)
    assert (sink.error, len(server.requests)) == (None, 1)


def test_a_connection_closed_under_a_request_is_no_trouble_to_the_reader(
    loopback: Loopback,
) -> None:
    """The server closes idle connections just when they are used again, all of them."""
    server = loopback.serve(an_object(b"hello"))
    client = loopback.connect(server.url, connections=8)
    reader = ObjectReader(client)
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda _: read(reader), range(40)))
        held, release = threading.Event(), threading.Event()

        def hold() -> None:
            held.set()
            release.wait(WAIT_SECONDS)

        client.call(hold)
        assert held.wait(WAIT_SECONDS)
        server.hang_up()
        bodies = [threads.submit(read, reader) for _ in range(8)]
        wait_for("the requests", lambda: client.waiting == 8 or None)
        release.set()
        assert [body.result() for body in bodies] == [b"hello"] * 8


@pytest.mark.parametrize("status", [301, 307, 400])
def test_a_bucket_of_another_region_is_read_there_and_the_next_time_at_once(
    loopback: Loopback, status: int
) -> None:
    near, far = loopback.serve(moved(status)), loopback.serve(an_object(b"hello"))
    regions = []

    def connect(region: str) -> HttpClient:
        regions.append(region)
        return loopback.connect(far.url)

    reader = ObjectReader(loopback.connect(near.url), connect)
    assert [read(reader) for _ in range(3)] == [b"hello"] * 3
    assert regions == ["eu-west-1"]
    assert (len(near.requests), len(far.requests)) == (1, 3)


def test_a_read_says_whose_bucket_it_expects_again_and_in_another_region_too(
    loopback: Loopback,
) -> None:
    near = loopback.serve(reply(response(status=500)), moved())
    far = loopback.serve(an_object(b"hello"))
    owners = BucketOwners("123456789012", {"src": "111122223333"})
    reader = ObjectReader(
        loopback.connect(near.url), lambda region: loopback.connect(far.url), owners.headers
    )
    assert read(reader) == b"hello"
    sent = [*near.requests, *far.requests]
    assert [one.headers["x-amz-expected-bucket-owner"] for one in sent] == ["111122223333"] * 3


def test_what_may_not_be_read_may_be_anothers(loopback: Loopback) -> None:
    reader = ObjectReader(loopback.to(reply(error(403, "AccessDenied"))))
    with pytest.raises(SourceForbidden, match="Grant s3:GetObject.* add it to bucketOwners"):
        read(reader)


def test_many_reads_that_learn_of_a_region_at_once_connect_to_it_once(loopback: Loopback) -> None:
    near, far = loopback.serve(moved()), loopback.serve(an_object(b"hello"))
    regions = []

    def connect(region: str) -> HttpClient:
        regions.append(region)
        return loopback.connect(far.url)

    reader = ObjectReader(loopback.connect(near.url, connections=8), connect)
    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(lambda _: read(reader), range(8))) == [b"hello"] * 8
    assert regions == ["eu-west-1"]


def test_buckets_of_a_region_share_its_connections(loopback: Loopback) -> None:
    near, far = loopback.serve(moved()), loopback.serve(an_object(b"hello"))
    regions = []

    def connect(region: str) -> HttpClient:
        regions.append(region)
        return loopback.connect(far.url)

    reader = ObjectReader(loopback.connect(near.url), connect)
    for bucket in ("one", "two"):
        assert reader.found_in(bucket, "eu-west-1")
    assert regions == ["eu-west-1"]
    assert reader.client_of("one") is reader.client_of("two")
    assert reader.client_of("three") is not reader.client_of("one")


@pytest.mark.parametrize("is_elsewhere", [True, False], ids=["another region", "no other region"])
def test_a_region_that_sends_on_and_on_is_given_up(loopback: Loopback, is_elsewhere: bool) -> None:
    near, far = loopback.serve(moved()), loopback.serve(moved(region="us-east-1"))

    def connect(region: str) -> HttpClient:
        return loopback.connect(far.url)

    reader = ObjectReader(loopback.connect(near.url), connect if is_elsewhere else None)
    with pytest.raises(SourceForbidden, match="PermanentRedirect"):
        read(reader)
    assert len(near.requests) + len(far.requests) <= 3


def test_a_read_that_is_given_up_before_its_answer_leaves_no_connection_waiting(
    loopback: Loopback,
) -> None:
    def late(exchange: Exchange) -> None:
        exchange.stall()
        an_object(OBJECT)(exchange)

    server = loopback.serve(late)
    client = loopback.connect(server.url, connections=1)
    sink = Sink()
    under_way = ObjectReader(client).read(Source("src", "a"), 0, 1000, sink, None)
    wait_for("the request", lambda: server.requests or None)
    under_way.cancel()
    server.released.set()
    assert sink.over.wait(WAIT_SECONDS)
    assert isinstance(sink.error, ServiceUnavailable)
    server.follow(an_object(b"next"))
    assert read(ObjectReader(client)) == b"next"


def test_a_read_that_is_given_up_in_a_pause_is_not_tried_again(loopback: Loopback) -> None:
    server = loopback.serve(reply(error(503, "SlowDown")))
    sink = Sink()
    reader = ObjectReader(loopback.connect(server.url))
    under_way = reader.read(Source("src", "a"), 0, 1000, sink, None)
    under_way.cancel()
    assert sink.over.wait(WAIT_SECONDS)
    assert len(server.requests) <= 1


@pytest.mark.parametrize("status", [200, 403, 500])
def test_an_answer_that_goes_on_and_on_is_not_read_to_its_end(
    loopback: Loopback, status: int
) -> None:
    reader = ObjectReader(loopback.to(reply(response(noise(1_000_000), status))))
    with pytest.raises(ZipJobsError):
        read(reader)


def test_a_region_that_cannot_be_connected_to_ends_the_read(loopback: Loopback) -> None:
    def connect(region: str) -> HttpClient:
        raise ValueError(f"no {region}")

    reader = ObjectReader(loopback.to(moved()), connect)
    with pytest.raises(ServiceUnavailable, match="no eu-west-1"):
        read(reader)
