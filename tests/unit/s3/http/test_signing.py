"""Signature Version 4, compared with the signatures of botocore."""

import threading
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any
from unittest.mock import patch
from urllib.parse import quote

import boto3
import botocore.auth
import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSRequest
from botocore.config import Config
from botocore.credentials import ReadOnlyCredentials
from hypothesis import given
from hypothesis import strategies as st

from tests.support.http_server import ScriptedServer, error, reply
from tests.support.waiting import WAIT_SECONDS
from zipjobs.errors import UploadGone, ZipJobsError
from zipjobs.s3.bucket_owners import BucketOwners
from zipjobs.s3.http import signing
from zipjobs.s3.http.client import HttpClient
from zipjobs.s3.http.endpoint import Endpoint
from zipjobs.s3.http.signing import FRESH_SECONDS, UNSIGNED_PAYLOAD, Signer, UnsafeRequest
from zipjobs.s3.object_reader import ObjectReader
from zipjobs.s3.part_upload import TRAILING, PartSender
from zipjobs.s3.source import ObjectVersion, Source
from zipjobs.s3.target import Target

HOST = "s3.eu-west-1.amazonaws.com"
REGION = "eu-west-1"
OWNERS = BucketOwners("123456789012")
PLAIN = ReadOnlyCredentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", None)
IN_A_ROLE = ReadOnlyCredentials("ASIAEXAMPLE", "secret", "to/ken+with==signs")

KEYS = [
    "a.pdf",
    "sp ace",
    "+",
    "%",
    "%2F",
    "ünïcode/日本語/🗜",
    "a//b",
    "/lead",
    "trail/",
    "./x/../y",
    "a?b&c=d#e",
    "~*'()!$,;:@=[]",
    'quote"back\\slash',
]
KEY = st.one_of(st.sampled_from(KEYS), st.text(st.characters(codec="utf-8"), min_size=1))
CREDENTIALS = st.sampled_from([PLAIN, IN_A_ROLE])
ETAG = '"d41d8cd98f00b204e9800998ecf8427e-12"'


def botocore_signs(
    method: str,
    url: str,
    headers: dict[str, str],
    credentials: ReadOnlyCredentials,
    payload: str = UNSIGNED_PAYLOAD,
) -> dict[str, str]:
    """Return the headers of botocore for this request and its time."""
    sent = {
        name: value
        for name, value in headers.items()
        if name not in ("authorization", "x-amz-content-sha256", "x-amz-security-token")
    }
    request = AWSRequest(method, url, sent)
    request.context["client_config"] = Config(s3={"payload_signing_enabled": False})
    if payload == TRAILING:
        request.context["checksum"] = {"request_algorithm": {"in": "trailer"}}
    at = datetime.strptime(sent["x-amz-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    botocore_credentials: Any = credentials
    signer = botocore.auth.S3SigV4Auth(botocore_credentials, "s3", REGION)
    with patch.object(botocore.auth, "get_current_datetime", lambda: at):
        signer.add_auth(request)
    return {name.lower(): value for name, value in request.headers.items()}


def signed_headers(authorization: str) -> set[str]:
    return set(authorization.partition("SignedHeaders=")[2].partition(",")[0].split(";"))


@given(
    KEY,
    CREDENTIALS,
    st.none() | st.text(st.characters(codec="utf-8"), min_size=1),
    st.none() | st.tuples(st.integers(0, 2**43), st.integers(0, 2**43)),
    st.none() | st.just(ETAG),
)
def test_a_get_has_the_signature_of_botocore(
    key: str,
    credentials: ReadOnlyCredentials,
    version: str | None,
    span: tuple[int, int] | None,
    etag: str | None,
) -> None:
    path = f"/src/{quote(key, safe='-._~/')}"
    query = "" if version is None else f"versionId={quote(version, safe='')}"
    headers = {}
    if span is not None:
        headers["range"] = f"bytes={span[0]}-{span[1]}"
    if etag is not None:
        headers["if-match"] = etag
    ours = Signer(HOST, REGION, lambda: credentials).sign("GET", path, query, headers)
    url = f"https://{HOST}{path}" + (f"?{query}" if query else "")
    assert ours == botocore_signs("GET", url, ours, credentials)
    assert {"host", *headers} <= signed_headers(ours["authorization"])


@given(KEY, CREDENTIALS, st.integers(1, 10_000), st.text(min_size=1), st.integers(0, 2**33))
def test_a_part_has_the_signature_of_botocore(
    key: str, credentials: ReadOnlyCredentials, number: int, upload_id: str, length: int
) -> None:
    path = f"/dst/{quote(key, safe='-._~/')}"
    query = f"partNumber={number}&uploadId={quote(upload_id, safe='')}"
    headers = {
        "content-encoding": "aws-chunked",
        "content-length": str(length + 100),
        "x-amz-decoded-content-length": str(length),
        "x-amz-trailer": "x-amz-checksum-crc32",
    }
    ours = Signer(HOST, REGION, lambda: credentials).sign("PUT", path, query, headers, TRAILING)
    url = f"https://{HOST}{path}?{query}"
    assert ours == botocore_signs("PUT", url, ours, credentials, TRAILING)
    assert ours["x-amz-content-sha256"] == "STREAMING-UNSIGNED-PAYLOAD-TRAILER"


def test_the_port_is_part_of_the_signed_host() -> None:
    ours = Signer("localhost:9000", REGION, lambda: PLAIN).sign("GET", "/src/a")
    assert ours["host"] == "localhost:9000"
    assert ours == botocore_signs("GET", "https://localhost:9000/src/a", ours, PLAIN)


def test_signing_does_not_change_its_arguments() -> None:
    signer, given = Signer(HOST, REGION, lambda: PLAIN), {"range": "bytes=0-9"}
    first, second = (signer.sign("GET", path, headers=given) for path in ("/src/a", "/src/b"))
    assert first["authorization"] != second["authorization"]
    assert given == {"range": "bytes=0-9"}


# Sent requests


@pytest.fixture(scope="module")
def server() -> Iterator[ScriptedServer]:
    """A server without the object or the upload."""
    server = ScriptedServer(reply(error(404, "NoSuchUpload")))
    yield server
    server.close()


@pytest.fixture(scope="module")
def target_of_botocore() -> Callable[..., str]:
    """Return a function that returns boto3's request target without sending."""

    class Stop(Exception):
        pass

    def stop(request: AWSPreparedRequest, **_: object) -> None:
        raise Stop(request.url)

    client: Any = boto3.client(
        "s3",
        region_name=REGION,
        endpoint_url="http://localhost",
        aws_access_key_id="id",
        aws_secret_access_key="key",
        config=Config(s3={"addressing_style": "path"}),
    )
    client.meta.events.register("before-send.s3", stop)

    def target(operation: str, **parameters: object) -> str:
        with pytest.raises(Stop) as stopped:
            getattr(client, operation)(**parameters)
        return str(stopped.value).removeprefix("http://localhost")

    return target


class Missing:
    """A sink that waits for the read to fail."""

    def __init__(self) -> None:
        self.is_over = threading.Event()

    def found(self, pinned: ObjectVersion, length: int) -> None:
        raise AssertionError("there is nothing to be found")

    def received(self, chunk: memoryview | bytes) -> None:
        raise AssertionError("there is nothing to be received")

    def done(self) -> None:
        raise AssertionError("there is nothing to be done")

    def failed(self, error: ZipJobsError) -> None:
        self.is_over.set()


def without_libcurls(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers without those that libcurl adds, which are not signed."""
    return {n: v for n, v in headers.items() if n not in ("user-agent", "accept")}


@pytest.mark.parametrize("credentials", [PLAIN, IN_A_ROLE], ids=["a user", "a role"])
@pytest.mark.parametrize("version", [None, "3/L4kqtJlcpXroDTDmJ+rmSpX d3=d"])
def test_a_sent_read_has_target_and_signature_of_botocore(
    server: ScriptedServer,
    target_of_botocore: Callable[..., str],
    version: str | None,
    credentials: ReadOnlyCredentials,
) -> None:
    client = HttpClient(Endpoint(server.url, REGION), lambda: credentials, 1)
    reader = ObjectReader(client, expecting=OWNERS.headers)
    for key in KEYS:
        sink = Missing()
        reader.read(Source("src", key, version), 5, 10, sink, ETAG)
        assert sink.is_over.wait(WAIT_SECONDS)
        sent = server.requests[-1]
        versioned = {} if version is None else {"VersionId": version}
        assert sent.target == target_of_botocore("get_object", Bucket="src", Key=key, **versioned)
        host = f"https://127.0.0.1:{server.port}"
        headers = without_libcurls(sent.headers)
        assert headers == botocore_signs("GET", host + sent.target, headers, credentials)
        expected = {"range", "if-match", "x-amz-expected-bucket-owner"}
        assert expected <= signed_headers(sent.headers["authorization"])
    client.close()


@pytest.mark.parametrize("credentials", [PLAIN, IN_A_ROLE], ids=["a user", "a role"])
def test_a_sent_part_has_target_and_signature_of_botocore(
    server: ScriptedServer,
    target_of_botocore: Callable[..., str],
    credentials: ReadOnlyCredentials,
) -> None:
    client = HttpClient(Endpoint(server.url, REGION), lambda: credentials, 1)
    sender = PartSender(client, OWNERS.headers)
    upload = {"UploadId": "a+b/c=", "PartNumber": 7}
    for key in KEYS:
        with pytest.raises(UploadGone):
            sender.put(Target("dst", key), "a+b/c=", 7, 5, lambda: iter([b"hello"]))
        sent = server.requests[-1]
        expected = target_of_botocore("upload_part", Bucket="dst", Key=key, **upload)
        path, _, query = expected.partition("?")
        assert sent.target == f"{path}?{'&'.join(sorted(query.split('&')))}"
        headers = without_libcurls(sent.headers)
        del headers["content-length"]
        host = f"https://127.0.0.1:{server.port}"
        assert headers == botocore_signs("PUT", host + sent.target, headers, credentials, TRAILING)
        assert "x-amz-expected-bucket-owner" in signed_headers(headers["authorization"])
    client.close()


# Credentials.


class Clock:
    """A replacement of the module ``time``."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 24, 12, tzinfo=UTC).timestamp()

    def time(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(signing, "time", clock)
    return clock


def test_credentials_and_time_are_refreshed(
    clock: Clock,
) -> None:
    given = [PLAIN, IN_A_ROLE]
    signer = Signer(HOST, REGION, lambda: given.pop(0))
    first = signer.sign("GET", "/src/a")
    clock.now += FRESH_SECONDS - 1
    assert signer.sign("GET", "/src/a") == first
    clock.now += 1
    second = signer.sign("GET", "/src/a")
    assert (first["x-amz-date"], second["x-amz-date"]) == ("20261124T120000Z", "20261124T120100Z")
    assert "AKIDEXAMPLE" in first["authorization"]
    assert "x-amz-security-token" not in first
    assert "ASIAEXAMPLE" in second["authorization"]
    assert second["x-amz-security-token"] == IN_A_ROLE.token


@pytest.mark.parametrize("hours", [-1, 1])
def test_a_signature_has_the_current_time(clock: Clock, hours: int) -> None:
    """For example after the function was frozen or its clock was set."""
    signer = Signer(HOST, REGION, lambda: PLAIN)
    signer.sign("GET", "/src/a")
    clock.now += hours * 3600
    assert signer.sign("GET", "/src/a")["x-amz-date"] == f"20261124T{12 + hours}0000Z"


def test_failures_to_get_credentials_are_not_cached() -> None:
    given: list[ReadOnlyCredentials | Exception] = [RuntimeError("not now"), PLAIN]

    def credentials() -> ReadOnlyCredentials:
        answer = given.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    signer = Signer(HOST, REGION, credentials)
    with pytest.raises(RuntimeError, match="not now"):
        signer.sign("GET", "/src/a")
    assert "AKIDEXAMPLE" in signer.sign("GET", "/src/a")["authorization"]


@pytest.mark.parametrize("text", ["x\r\ny", "x\n", "\0", "\x7f", "é", "\u2028"])
def test_a_request_that_could_be_split_is_refused(text: str) -> None:
    """The last check, in case validation missed it."""
    signer = Signer(HOST, REGION, lambda: PLAIN)
    assert signer.sign("GET", "/b/k", "", {"if-match": "x y"})
    for method, path, query, headers in (
        ("GET", f"/b/{text}", "", {}),
        ("GET", "/b/k", f"versionId={text}", {}),
        ("GET", "/b/k", "", {"if-match": text}),
        ("GET", "/b/k", "", {text: "a"}),
        (f"GET{text}", "/b/k", "", {}),
        ("GET", "/b k", "", {}),
    ):
        with pytest.raises(UnsafeRequest):
            signer.sign(method, path, query, headers)
