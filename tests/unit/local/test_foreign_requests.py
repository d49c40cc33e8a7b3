"""Servers of the embedded AWS refuse requests of foreign web pages."""

import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from http.client import HTTPConnection
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest
from botocore.exceptions import ClientError

from local.deployment.declarations import Declarations, DeclaredCors, DeclaredRoute
from local.faults.injector import FaultInjector
from local.foreign_requests import refusal
from local.gateway.http_api import HttpApi
from local.loopback import serving
from local.runtime.execution import runtime_api
from local.server import aws_client, serving_aws
from tests.support.waiting import WAIT_SECONDS

APP = "https://app.example.com"
EVIL = "https://evil.example"
SIGNED = (
    "Authorization",
    "AWS4-HMAC-SHA256 Credential=local/20260101/us-east-1/s3/aws4_request, "
    "SignedHeaders=host;x-amz-date, Signature=unchecked",
)
ASKS_TO_POST = ("Access-Control-Request-Method", "POST")

LOCAL_HOSTS = [
    "127.0.0.1",
    "127.0.0.1:8700",
    "localhost",
    "LocalHost:1",
    "[::1]:8700",
    "bucket.localhost:8700",
    "a-bucket.s3.localhost",
]
FOREIGN_HOSTS = [
    "evil.example",
    "evil.example:8700",
    "127.0.0.1.evil.example",
    "localhost.evil.example:8700",
    "evillocalhost",
    ".localhost",
    "127.0.0.2",
    "0.0.0.0:8700",
    "bucket.s3.amazonaws.com",
    "evil.example@127.0.0.1",
    "127.0.0.1,127.0.0.1",
    "127.0.0.1\n",
    "127.0.0.1:\uff18",
]
FOREIGN_ORIGINS = [
    EVIL,
    f"{EVIL}:8700",
    "http://127.0.0.1.evil.example",
    "http://evil.example/http://127.0.0.1",
    "http://127.0.0.1@evil.example",
    "file://",
    "ftp://localhost",
    "localhost",
    "null",
    "",
]


class Reply(NamedTuple):
    status: int
    text: str
    names: set[str]
    """Names of headers, in lower case."""


class Site(NamedTuple):
    """A running server."""

    url: str

    @property
    def host(self) -> str:
        return urlsplit(self.url).netloc

    def ask(
        self, method: str, path: str, *headers: tuple[str, str], body: bytes = b"", host: str = ""
    ) -> Reply:
        return self.ask_as([host or self.host], method, path, *headers, body=body)

    def ask_as(
        self,
        hosts: list[str],
        method: str,
        path: str,
        *headers: tuple[str, str],
        body: bytes = b"",
    ) -> Reply:
        """Send a request with these Host headers."""
        connection = HTTPConnection(self.host, timeout=WAIT_SECONDS)
        connection.putrequest(method, path, skip_host=True)
        for name, value in [*(("Host", host) for host in hosts), *headers]:
            connection.putheader(name, value)
        if body:
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body or None)
        response = connection.getresponse()
        text = response.read().decode()
        connection.close()
        return Reply(response.status, text, {name.lower() for name, _ in response.getheaders()})

    def ask_from(self, origin: str, method: str, path: str, *headers: tuple[str, str]) -> Reply:
        return self.ask(method, path, ("Origin", origin), *headers)


@pytest.mark.parametrize("host", LOCAL_HOSTS)
def test_local_hosts_and_origins_are_served(host: str) -> None:
    assert refusal("GET", host, None) is None
    assert refusal("GET", "127.0.0.1", f"http://{host}") is None
    assert refusal("GET", "127.0.0.1", f"https://{host}") is None


@pytest.mark.parametrize("host", FOREIGN_HOSTS)
def test_foreign_hosts_are_refused(host: str) -> None:
    reason = refusal("GET", host, None)
    assert reason is not None
    assert "Use 127.0.0.1 or localhost as the host of the URL." in reason
    assert refusal("GET", "127.0.0.1", f"http://{host}") is not None


@pytest.mark.parametrize("origin", FOREIGN_ORIGINS)
def test_foreign_origins_are_refused(origin: str) -> None:
    reason = refusal("GET", "127.0.0.1", origin)
    assert reason is not None
    assert "Serve the page from localhost." in reason


def test_foreign_host_is_refused_despite_allowed_origin() -> None:
    assert refusal("GET", "127.0.0.1", EVIL, lambda method, origin: True) is None
    assert refusal("GET", "evil.example", EVIL, lambda method, origin: True) is not None
    assert refusal("GET", "", EVIL, lambda method, origin: True) is not None


# S3, as moto serves it.


class Bucket(NamedTuple):
    name: str
    s3: Any
    site: Site

    def objects(self) -> dict[str, bytes]:
        """Return the contents of the bucket by key."""
        keys = [found["Key"] for found in self.s3.list_objects_v2(Bucket=self.name)["Contents"]]
        return {key: self.s3.get_object(Bucket=self.name, Key=key)["Body"].read() for key in keys}


@pytest.fixture(scope="module")
def served_bucket() -> Iterator[Bucket]:
    name = f"b-{uuid.uuid4()}"  # all moto servers of a process share their buckets
    with serving_aws(FaultInjector(), services=("s3",)) as url:
        s3 = aws_client("s3", url, "us-east-1")
        s3.create_bucket(Bucket=name)
        yield Bucket(name, s3, Site(url))


@pytest.fixture
def bucket(served_bucket: Bucket) -> Bucket:
    served_bucket.s3.put_object(Bucket=served_bucket.name, Key="key", Body=b"kept")
    return served_bucket


@pytest.mark.parametrize("hosts", [["evil.example"], [], ["127.0.0.1", "127.0.0.1"], [""]])
def test_s3_refuses_a_foreign_host_and_changes_nothing(bucket: Bucket, hosts: list[str]) -> None:
    path = f"/{bucket.name}/key"
    for method, body in (("GET", b""), ("PUT", b"changed"), ("DELETE", b"")):
        reply = bucket.site.ask_as(hosts, method, path, SIGNED, body=body)
        assert (reply.status, "host of the URL" in reply.text) == (403, True)
    assert bucket.objects() == {"key": b"kept"}


@pytest.mark.parametrize("origin", [EVIL, "null"])
def test_s3_refuses_a_foreign_origin_and_changes_nothing(bucket: Bucket, origin: str) -> None:
    path, sender = f"/{bucket.name}/key", ("Origin", origin)
    for method, body in (("GET", b""), ("PUT", b"changed"), ("DELETE", b""), ("OPTIONS", b"")):
        reply = bucket.site.ask(method, path, SIGNED, sender, body=body)
        assert (reply.status, "Serve the page from localhost" in reply.text) == (403, True)
        assert not {name for name in reply.names if name.startswith("access-control-")}
    assert bucket.site.ask("HEAD", path, SIGNED, sender)[:2] == (403, "")
    assert bucket.objects() == {"key": b"kept"}


def test_refused_body_is_not_parsed_as_a_request(bucket: Bucket) -> None:
    inner = f"PUT /{bucket.name}/hidden HTTP/1.1\r\nHost: {bucket.site.host}\r\n\r\n".encode()
    assert bucket.site.ask("POST", "/", ("Origin", EVIL), body=inner).status == 403
    assert bucket.objects() == {"key": b"kept"}


def test_refusal_has_the_format_of_the_service() -> None:
    with serving_aws(FaultInjector(), services=("s3", "dynamodb", "sts")) as url:
        calls: dict[str, Callable[[Any], object]] = {
            "s3": lambda client: client.list_buckets(),
            "dynamodb": lambda client: client.list_tables(),
            "sts": lambda client: client.get_caller_identity(),
        }
        for service, call in calls.items():
            client = aws_client(service, url, "us-east-1")
            client.meta.events.register(
                "before-send", lambda request, **_: request.headers.update(Origin=EVIL)
            )
            with pytest.raises(ClientError, match="Serve the page from localhost") as raised:
                call(client)
            assert raised.value.response["Error"]["Code"] == "AccessDenied"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost:1", "[::1]:8700"])
def test_s3_serves_local_hosts_and_origins(bucket: Bucket, host: str) -> None:
    path = f"/{bucket.name}/key"
    assert bucket.site.ask("GET", path, SIGNED, host=host)[:2] == (200, "kept")
    assert bucket.site.ask_from(f"http://{host}", "GET", path, SIGNED)[:2] == (200, "kept")


def test_s3_serves_a_virtual_hosted_bucket(bucket: Bucket) -> None:
    port = urlsplit(bucket.site.url).port
    host = f"{bucket.name}.localhost:{port}"
    assert bucket.site.ask("PUT", "/key", SIGNED, body=b"changed", host=host).status == 200
    assert bucket.objects() == {"key": b"changed"}
    assert bucket.site.ask("GET", "/key", SIGNED, host=host)[:2] == (200, "changed")


# The HTTP API.


class Api(NamedTuple):
    events: list[Any]
    site: Site


class Recorder:
    """A function that records its events."""

    def __init__(self) -> None:
        self.events: list[Any] = []

    def invoke(self, event: Any) -> Any:
        self.events.append(event)
        return {"statusCode": 202, "body": "{}"}


class Apis:
    """An API for each list of CORS origins. Each has a route for OPTIONS, too."""

    def __init__(self, cleanup: ExitStack) -> None:
        self._cleanup = cleanup
        self._running: dict[tuple[str, ...], Api] = {}

    def __getitem__(self, origins: tuple[str, ...]) -> Api:
        """Return the API with these origins, without recorded events."""
        if origins not in self._running:
            self._running[origins] = self._start(origins)
        self._running[origins].events.clear()
        return self._running[origins]

    def _start(self, origins: tuple[str, ...]) -> Api:
        cors = DeclaredCors(origins, ("POST",), ("content-type",), ("location",), 60)
        routes = ("POST /zip-jobs", "OPTIONS /zip-jobs")
        declarations = Declarations(
            routes={route: DeclaredRoute(route, "integrations/1", "NONE") for route in routes},
            integrations={"1": "recorder"},
            cors=cors if origins else None,
        )
        recorder = Recorder()
        api = HttpApi(declarations, {"recorder": recorder}, "us-east-1", lambda name, line: None)
        url = self._cleanup.enter_context(serving(api, 0, allows_origin=api.allows_origin))
        return Api(recorder.events, Site(url))


@pytest.fixture(scope="module")
def apis() -> Iterator[Apis]:
    with ExitStack() as cleanup:
        yield Apis(cleanup)


@pytest.mark.parametrize("origins", [(), (APP,)])
def test_the_api_serves_local_pages_and_refuses_others(
    apis: Apis, origins: tuple[str, ...]
) -> None:
    events, site = apis[origins]
    for origin in (EVIL, f"{APP}.evil.example", "null"):
        reply = site.ask_from(origin, "POST", "/zip-jobs")
        assert (reply.status, "apiCorsOrigins" in reply.text) == (403, True)
    assert site.ask("POST", "/zip-jobs", host="evil.example").status == 403
    assert events == []
    assert site.ask("POST", "/zip-jobs").status == 202
    assert site.ask_from("http://localhost:3000", "POST", "/zip-jobs").status == 202
    assert len(events) == 2


@pytest.mark.parametrize(("origins", "origin"), [((APP,), APP), (("*",), EVIL), (("*",), "null")])
def test_the_api_serves_pages_of_its_cors_origins(
    apis: Apis, origins: tuple[str, ...], origin: str
) -> None:
    events, site = apis[origins]
    reply = site.ask_from(origin, "POST", "/zip-jobs")
    assert (reply.status, len(events)) == (202, 1)
    assert "access-control-allow-origin" in reply.names
    rebound = site.ask("POST", "/zip-jobs", ("Origin", origin), host="evil.example")
    assert (rebound.status, len(events)) == (403, 1)


@pytest.mark.parametrize(("origins", "status"), [((), 403), ((APP,), 204)])
def test_foreign_preflight_gets_no_cors_headers(
    apis: Apis, origins: tuple[str, ...], status: int
) -> None:
    events, site = apis[origins]
    reply = site.ask_from(EVIL, "OPTIONS", "/zip-jobs", ASKS_TO_POST)
    assert reply.status == status
    assert not {name for name in reply.names if name.startswith("access-control-")}
    assert events == []


# The Lambda Runtime API.


class Environment:
    """An idle execution environment that records results."""

    def __init__(self) -> None:
        self.results: list[bytes] = []
        self.asked = 0

    def next_invocation(self) -> None:
        self.asked += 1

    def complete(self, request_id: str, body: bytes) -> None:
        self.results.append(body)


@pytest.mark.parametrize(
    ("hosts", "headers"),
    [
        (["evil.example"], []),
        ([], []),
        (["localhost"] * 2, []),
        (["localhost"], [("Origin", EVIL)]),
    ],
)
def test_the_runtime_api_refuses_foreign_requests(
    hosts: list[str], headers: list[tuple[str, str]]
) -> None:
    environment: Any = Environment()
    runtime = "/2018-06-01/runtime/invocation"
    with serving(runtime_api(environment), 0) as url:
        site = Site(url)
        inner = f"POST {runtime}/1/response HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
        assert site.ask_as(hosts, "GET", f"{runtime}/next", *headers).status == 403
        assert site.ask_as(hosts, "HEAD", f"{runtime}/next", *headers)[:2] == (403, "")
        reply = site.ask_as(hosts, "POST", f"{runtime}/1/response", *headers, body=inner)
        assert (reply.status, "localhost" in reply.text) == (403, True)
        assert (environment.asked, environment.results) == (0, [])
        assert site.ask("POST", f"{runtime}/1/response", body=b"done").status == 202
        assert environment.results == [b"done"]
