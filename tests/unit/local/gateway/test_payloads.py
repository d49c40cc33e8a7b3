"""Bodies in events, and the size of events, as for API Gateway's payload format 2.0."""

import json
from typing import Any

import pytest
from werkzeug.test import Client

from local.deployment.declarations import Declarations, DeclaredRoute
from local.gateway.http_api import MAX_EVENT_BYTES, HttpApi


class Echo:
    """A function that returns the body of its event."""

    def invoke(self, event: Any) -> Any:
        return {"body": event.get("body"), "isBase64": event["isBase64Encoded"]}


@pytest.fixture
def client() -> Client:
    declarations = Declarations(
        routes={"r": DeclaredRoute("POST /", "integrations/1", "NONE")},
        integrations={"1": "echo"},
    )
    functions: Any = {"echo": Echo()}
    return Client(HttpApi(declarations, functions, "us-east-1", lambda name, line: None))


@pytest.mark.parametrize(
    ("content_type", "body", "expected"),
    [
        ("application/json", b'{"a": "\xc3\xa4"}', {"body": '{"a": "ä"}', "isBase64": False}),
        ("text/plain; charset=utf-8", b"ab", {"body": "ab", "isBase64": False}),
        ("application/json", b"\xff", {"body": "/w==", "isBase64": True}),
        ("application/x-www-form-urlencoded", b"ab", {"body": "YWI=", "isBase64": True}),
        (None, b"ab", {"body": "YWI=", "isBase64": True}),
        ("application/json", b"", {"body": None, "isBase64": False}),
    ],
)
def test_only_json_and_text_are_passed_as_text(
    client: Client, content_type: str | None, body: bytes, expected: Any
) -> None:
    assert client.post("/", data=body, content_type=content_type).json == expected


@pytest.mark.parametrize(
    ("content_type", "character", "share"),
    [("application/json", b"a", 1), ("application/json", b'"', 2), (None, b"a", 4 / 3)],
)
def test_lambda_limits_the_event_and_not_the_body(
    client: Client, content_type: str | None, character: bytes, share: float
) -> None:
    most = int(MAX_EVENT_BYTES / share)
    for size, status in ((most - 3_000, 200), (most, 500)):
        response = client.post("/", data=character * size, content_type=content_type)
        assert response.status_code == status
        assert json.loads(response.data).get("message") in (None, "Internal Server Error")
