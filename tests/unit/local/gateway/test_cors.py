"""CORS of the HTTP API."""

from collections.abc import Callable
from typing import Any

import pytest
from werkzeug.test import Client
from werkzeug.wrappers import Response

from local.deployment.declarations import Declarations, DeclaredCors, DeclaredRoute
from local.gateway.http_api import HttpApi

APP = "https://app.example.com"
PREFLIGHT = {"Access-Control-Request-Method": "POST"}


class Echo:
    """A function whose response has its own CORS header."""

    def invoke(self, event: Any) -> Any:
        headers = {"location": "/x", "Access-Control-Allow-Origin": "https://evil.example"}
        return {"statusCode": 202, "headers": headers, "body": "{}"}


@pytest.fixture
def client() -> Callable[..., Client]:
    def make(*origins: str, authorization: str = "NONE") -> Client:
        cors = DeclaredCors(
            allow_origins=origins,
            allow_methods=("GET", "POST"),
            allow_headers=("authorization", "content-type"),
            expose_headers=("location",),
            max_age_seconds=60,
        )
        declarations = Declarations(
            routes={"r": DeclaredRoute("POST /zip-jobs", "integrations/1", authorization)},
            integrations={"1": "echo"},
            cors=cors if origins else None,
        )
        functions: Any = {"echo": Echo()}
        return Client(HttpApi(declarations, functions, "us-east-1", lambda name, line: None))

    return make


def cors_headers(response: Response) -> dict[str, str]:
    return {
        name.lower().removeprefix("access-control-"): value
        for name, value in response.headers
        if name.lower().startswith("access-control-")
    }


@pytest.mark.parametrize(("origins", "allowed"), [((APP,), APP), (("*",), "*")])
def test_preflight_needs_no_authorization(
    client: Callable[..., Client], origins: tuple[str, ...], allowed: str
) -> None:
    gateway = client(*origins, authorization="AWS_IAM")
    answer = gateway.options("/zip-jobs", headers={"Origin": APP, **PREFLIGHT})
    assert answer.status_code == 204
    assert cors_headers(answer) == {
        "allow-origin": allowed,
        "allow-methods": "GET,POST",
        "allow-headers": "authorization,content-type",
        "max-age": "60",
    }


@pytest.mark.parametrize("origin", ["https://evil.example", f"{APP}.evil.example", "null"])
def test_other_origins_get_no_cors_headers(client: Callable[..., Client], origin: str) -> None:
    gateway = client(APP)
    preflight = gateway.options("/zip-jobs", headers={"Origin": origin, **PREFLIGHT})
    assert (preflight.status_code, cors_headers(preflight)) == (204, {})
    answer = gateway.post("/zip-jobs", headers={"Origin": origin})
    assert (answer.status_code, cors_headers(answer)) == (202, {})


def test_api_replaces_cors_headers_of_the_function(
    client: Callable[..., Client],
) -> None:
    answer = client(APP).post("/zip-jobs", headers={"Origin": APP})
    assert answer.status_code == 202
    assert cors_headers(answer) == {"allow-origin": APP, "expose-headers": "location"}


def test_preflight_is_not_found_without_cors(client: Callable[..., Client]) -> None:
    answer = client().options("/zip-jobs", headers={"Origin": APP, **PREFLIGHT})
    assert (answer.status_code, answer.json) == (404, {"message": "Not Found"})
    assert cors_headers(answer) == {}
