"""The OpenAPI description and its page."""

import json
import re
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from tests.api.conftest import FUNCTIONS, Gateway


@pytest.fixture
def description(gateway: Gateway) -> Any:
    return gateway("GET", "/openapi.json").body


def operations(description: Any) -> list[Any]:
    return [one for path in description["paths"].values() for one in path.values()]


def test_the_description_is_valid_openapi_3_1(description: Any) -> None:
    assert description["openapi"] == "3.1.0"
    OpenAPIV31SpecValidator(description).validate()


def test_every_route_of_jobs_is_described(description: Any) -> None:
    described = {
        f"{method.upper()} {path}"
        for path, methods in description["paths"].items()
        for method in methods
    }
    assert described == {route for route in FUNCTIONS if "/zip-jobs" in route}


def test_every_operation_has_summary_and_problems(
    description: Any,
) -> None:
    for operation in operations(description):
        assert operation["operationId"]
        assert operation["summary"]
        for status, response in operation["responses"].items():
            expected = "application/json" if status < "300" else "application/problem+json"
            assert expected in response["content"] or status == "403"


def test_the_response_of_api_gateway_is_described(description: Any) -> None:
    for operation in operations(description):
        assert "application/json" in operation["responses"]["403"]["content"]


def test_the_description_contains_the_request_schema(description: Any) -> None:
    body = description["paths"]["/zip-jobs"]["post"]["requestBody"]
    assert body["required"]
    reference = body["content"]["application/json"]["schema"]["$ref"]
    assert reference == "#/components/schemas/JobRequest"
    assert description["components"]["schemas"]["JobRequest"]["additionalProperties"] is False


@pytest.mark.parametrize(("auth", "schemes"), [("iam", ["iam"]), ("jwt", ["jwt"]), ("none", [])])
def test_the_description_has_the_security_scheme(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch, auth: str, schemes: list[str]
) -> None:
    monkeypatch.setenv("API_AUTH", auth)
    description = gateway("GET", "/openapi.json").body
    assert list(description["components"].get("securitySchemes", {})) == schemes
    assert [next(iter(one)) for one in description.get("security", [])] == schemes


def test_the_page_loads_nothing_from_other_hosts(gateway: Gateway) -> None:
    page = gateway("GET", "/docs")
    assert page.headers["content-type"].startswith("text/html")
    assert re.findall(r"<(?:script|link|img)[^>]+(?:src|href)=[\"'](?!data:)", page.body) == []
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert json.dumps("submitJob") in page.body


def test_the_page_is_compressed_if_the_client_accepts_gzip(gateway: Gateway) -> None:
    page = gateway("GET", "/docs", headers={"accept-encoding": "gzip, deflate, br"})
    assert page.headers["content-encoding"] == "gzip"
    assert page.body[:2] == b"\x1f\x8b"
    assert len(page.body) < 600_000
