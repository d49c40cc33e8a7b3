"""The API client: requests, retries and errors."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest

from tests.support.http_server import (
    Exchange,
    Handler,
    ScriptedServer,
    closed_port,
    reply,
    response,
)
from zipjobs_cli.client.api import MAX_BODY_BYTES, PAUSES_SECONDS, Api, ApiError
from zipjobs_cli.client.stack import Stack
from zipjobs_cli.errors import CliError

JOB = "0f4bebbb-8ec9-5ce3-9c4a-bbb0e981fc8e"
ACCEPTED = {"jobId": JOB, "status": "PENDING"}
PROBLEM = {
    "type": "about:blank",
    "title": "Bad Request",
    "status": 400,
    "code": "INVALID_REQUEST",
    "detail": "keys.0: too short",
    "errors": [{"detail": "too short", "pointer": "#/keys/0"}],
}


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    server = ScriptedServer(json_response(ACCEPTED))
    yield server
    server.close()


@pytest.fixture
def stack(server: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> Stack:
    """A stack whose API is the server, without authorization."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKID")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    return Stack("a test", server.url, api_auth="none", region="eu-west-1")


@pytest.fixture
def pauses() -> list[float]:
    return []


@pytest.fixture
def api(stack: Stack, pauses: list[float]) -> Api:
    return Api(stack, sleep=pauses.append)


def json_response(
    content: Any, status: int = 200, headers: Mapping[str, str] | None = None
) -> Handler:
    return reply(response(json.dumps(content).encode(), status, headers))


def test_each_submission_has_its_own_idempotency_key(api: Api, server: ScriptedServer) -> None:
    bodies = []

    def accept(exchange: Exchange) -> None:
        bodies.append(json.loads(exchange.read_body()))
        exchange.send(response(json.dumps(ACCEPTED).encode(), 202))

    server.follow(accept)
    assert api.submit({"keys": ["größe.pdf"]}) == ACCEPTED
    assert api.submit({"keys": ["größe.pdf"]}) == ACCEPTED
    assert bodies == [{"keys": ["größe.pdf"]}] * 2
    first, second = server.requests
    assert (first.method, first.target) == ("POST", "/zip-jobs")
    assert first.headers["idempotency-key"] != second.headers["idempotency-key"]


def test_retries_have_the_same_idempotency_key(
    api: Api, server: ScriptedServer, pauses: list[float]
) -> None:
    server.follow(
        json_response({"message": "Too Many Requests"}, 429),
        json_response({**PROBLEM, "status": 503, "code": "UNAVAILABLE"}, 503, {"Retry-After": "7"}),
        lambda exchange: exchange.reset(),
        json_response(ACCEPTED, 202),
    )
    assert api.submit({"keys": ["a"]}) == ACCEPTED
    assert len({request.headers["idempotency-key"] for request in server.requests}) == 1
    first, second, third = pauses
    assert PAUSES_SECONDS[0] / 2 <= first <= PAUSES_SECONDS[0]
    assert second == 7
    assert PAUSES_SECONDS[2] / 2 <= third <= PAUSES_SECONDS[2]


def test_retries_end(api: Api, server: ScriptedServer, pauses: list[float]) -> None:
    server.follow(json_response({"message": "Service Unavailable"}, 503))
    with pytest.raises(ApiError, match=r"Service Unavailable. \(503 SERVICE_UNAVAILABLE\)"):
        api.get(JOB)
    assert len(pauses) == len(PAUSES_SECONDS)


def test_the_error_names_an_api_that_does_not_respond(stack: Stack) -> None:
    with closed_port() as port:
        api = Api(replace(stack, api_url=f"http://127.0.0.1:{port}"), pauses_seconds=())
        with pytest.raises(CliError, match=f"http://127.0.0.1:{port} does not respond: "):
            api.get(JOB)


def test_validation_errors_have_pointers_and_no_retry(
    api: Api, server: ScriptedServer, pauses: list[float]
) -> None:
    server.follow(json_response(PROBLEM, 400))
    with pytest.raises(ApiError) as refused:
        api.submit({"keys": [""]})
    assert (refused.value.status, refused.value.code) == (400, "INVALID_REQUEST")
    assert "(400 INVALID_REQUEST)\n  #/keys/0: too short" in str(refused.value)
    assert pauses == []


@pytest.mark.parametrize(
    ("auth", "status", "message"),
    [
        ("iam", 403, "execute-api:Invoke in the region eu-west-1"),
        ("jwt", 401, "requires a bearer token"),
        ("none", 403, "Set ZIPJOBS_API_AUTH"),
    ],
)
def test_authorization_errors_name_the_required_credentials(
    stack: Stack, server: ScriptedServer, auth: str, status: int, message: str
) -> None:
    server.follow(json_response({"message": "No"}, status))
    with pytest.raises(ApiError, match=message):
        Api(replace(stack, api_auth=auth, token="t")).get(JOB)


@pytest.mark.parametrize("body", [b"<html>", b"[]", b"{}", b'"jobId"'])
@pytest.mark.parametrize("status", [200, 404])
def test_responses_of_other_servers_are_errors(
    api: Api, server: ScriptedServer, body: bytes, status: int
) -> None:
    server.follow(reply(response(body, status)))
    with pytest.raises(CliError, match="is not an S3 ZIP Jobs API"):
        api.get(JOB)


def test_requests_are_signed_for_the_region(stack: Stack, server: ScriptedServer) -> None:
    Api(replace(stack, api_auth="iam")).get(JOB)
    (request,) = server.requests
    signature = request.headers["authorization"]
    assert signature.startswith("AWS4-HMAC-SHA256 Credential=AKID/")
    assert "/eu-west-1/execute-api/aws4_request" in signature
    assert "SignedHeaders=host;x-amz-date" in signature


def test_the_token_is_sent(stack: Stack, server: ScriptedServer) -> None:
    Api(replace(stack, api_auth="jwt", token="a.b.c")).get(JOB)
    assert server.requests[0].headers["authorization"] == "Bearer a.b.c"


@pytest.mark.parametrize(
    ("token", "url", "message"),
    [
        (None, "https://h", "Set ZIPJOBS_TOKEN"),
        ("a\r\nb: c", "https://h", "not printable ASCII"),
        ("t", "http://example.com", "is not https"),
    ],
)
def test_invalid_tokens_and_plain_http_are_rejected(
    stack: Stack, token: str | None, url: str, message: str
) -> None:
    with pytest.raises(CliError, match=message):
        Api(replace(stack, api_auth="jwt", token=token, api_url=url))


def test_newest_reads_all_pages(api: Api, server: ScriptedServer) -> None:
    server.follow(
        json_response({"jobs": [{"jobId": "1"}, {"jobId": "2"}], "nextCursor": "a/b="}),
        json_response({"jobs": [], "nextCursor": "c"}),
        json_response({"jobs": [{"jobId": "3"}], "nextCursor": None}),
    )
    assert [job["jobId"] for job in api.newest(100, "READY")] == ["1", "2", "3"]
    assert [request.target for request in server.requests] == [
        "/zip-jobs?status=READY&limit=100",
        "/zip-jobs?status=READY&limit=100&cursor=a%2Fb%3D",
        "/zip-jobs?status=READY&limit=100&cursor=c",
    ]


def test_newest_stops_at_the_requested_number(api: Api, server: ScriptedServer) -> None:
    server.follow(json_response({"jobs": [{"jobId": "1"}, {"jobId": "2"}], "nextCursor": "c"}))
    assert [job["jobId"] for job in api.newest(3)] == ["1", "2", "1"]
    assert len(server.requests) == 2


@pytest.mark.parametrize("job_id", ["", "x", "../../docs", f"{JOB}/x"])
def test_invalid_job_ids_are_not_sent(api: Api, server: ScriptedServer, job_id: str) -> None:
    with pytest.raises(CliError, match="is not a job ID"):
        api.get(job_id)
    assert server.requests == []


def test_large_and_invalid_requests_are_not_sent(api: Api, server: ScriptedServer) -> None:
    with pytest.raises(CliError, match="--manifest"):
        api.submit(b" " * (MAX_BODY_BYTES + 1))
    with pytest.raises(CliError, match="is not UTF-8"):
        api.submit({"keys": ["\ud800"]})
    assert server.requests == []
