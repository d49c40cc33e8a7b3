"""The declared API: routes, authorization, CORS and throttling."""

from typing import Any

import pytest

from tests.infra.conftest import Declared
from tools.declared import declared

API = "apigatewayv2/api:Api"
AUTHORIZER = "apigatewayv2/authorizer:Authorizer"
FUNCTION = "lambda/function:Function"
INTEGRATION = "apigatewayv2/integration:Integration"
PERMISSION = "lambda/permission:Permission"
ROUTE = "apigatewayv2/route:Route"

ROUTES = {
    "POST /zip-jobs": "enqueue",
    "GET /zip-jobs": "status",
    "GET /zip-jobs/{jobId}": "status",
    "DELETE /zip-jobs/{jobId}": "cancel",
}
DOCS_ROUTES = {"GET /openapi.json": "docs", "GET /docs": "docs"}


def api_of(**settings: Any) -> Declared:
    """Return the resources that a stack with these settings declares."""
    return Declared(declared("dev", settings))


def test_every_route_invokes_its_function(program: Declared) -> None:
    integrations = {
        f"integrations/<{one.key}>": name for name, one in program.of(INTEGRATION).items()
    }
    leads = {
        route.inputs["routeKey"]: integrations[route.inputs["target"]]
        for route in program.of(ROUTE).values()
    }
    assert leads == ROUTES | DOCS_ROUTES
    for name, one in program.of(INTEGRATION).items():
        assert one.inputs["integrationUri"] == program.mark(FUNCTION, name)


def test_integrations_use_payload_format_2(program: Declared) -> None:
    """Format 1.0 has other names for the method, the path and the caller."""
    for integration in program.of(INTEGRATION).values():
        assert integration.inputs["integrationType"] == "AWS_PROXY"
        assert integration.inputs["payloadFormatVersion"] == "2.0"


def test_changes_of_the_api_are_deployed_automatically(program: Declared) -> None:
    """The program declares no separate deployment."""
    (stage,) = program.of("apigatewayv2/stage:Stage").values()
    assert stage.inputs["autoDeploy"] is True
    assert stage.inputs["name"] == "$default", "it has no place in the paths that callers know"


def test_requests_must_be_signed_by_default(program: Declared) -> None:
    routes = program.of(ROUTE).values()
    assert {route.inputs["authorizationType"] for route in routes} == {"AWS_IAM"}
    assert all("authorizerId" not in route.inputs for route in routes)
    assert program.of(AUTHORIZER) == {}


def test_jwt_adds_an_authorizer_to_every_route() -> None:
    issuer, audience = "https://login.example.com", ["zip-jobs"]
    graph = api_of(apiAuth="jwt", apiJwtIssuer=issuer, apiJwtAudience=audience)
    (authorizer,) = graph.of(AUTHORIZER).values()
    assert authorizer.inputs["authorizerType"] == "JWT"
    assert authorizer.inputs["identitySources"] == ["$request.header.Authorization"]
    assert authorizer.inputs["jwtConfiguration"] == {"issuer": issuer, "audiences": audience}
    routes = [route.inputs for route in graph.of(ROUTE).values()]
    assert {route["routeKey"] for route in routes} == set(ROUTES | DOCS_ROUTES)
    assert {(route["authorizationType"], route["authorizerId"]) for route in routes} == {
        ("JWT", f"<{authorizer.key}>")
    }


def test_none_allows_everyone_and_logs_a_warning(
    caplog: pytest.LogCaptureFixture,
) -> None:
    routes = api_of(apiAuth="none").of(ROUTE).values()
    assert {route.inputs["authorizationType"] for route in routes} == {"NONE"}
    assert "apiAuth is none: anyone who knows the API's URL" in caplog.text


def test_the_docs_routes_are_optional() -> None:
    routes = api_of(apiDocs=False).of(ROUTE).values()
    assert {route.inputs["routeKey"] for route in routes} == set(ROUTES)


def test_only_its_routes_can_invoke_an_api_function(program: Declared) -> None:
    api = f"{program.mark(API, 'api')}/*"
    allowed = {
        (permission.inputs["function"], permission.inputs["sourceArn"])
        for permission in program.of(PERMISSION).values()
        if permission.inputs["principal"] == "apigateway.amazonaws.com"
    }
    assert allowed == {
        (program.mark(FUNCTION, "enqueue"), f"{api}/POST/zip-jobs"),
        (program.mark(FUNCTION, "status"), f"{api}/GET/zip-jobs"),
        (program.mark(FUNCTION, "status"), f"{api}/GET/zip-jobs/*"),
        (program.mark(FUNCTION, "cancel"), f"{api}/DELETE/zip-jobs/*"),
        (program.mark(FUNCTION, "docs"), f"{api}/GET/openapi.json"),
        (program.mark(FUNCTION, "docs"), f"{api}/GET/docs"),
    }


def test_only_named_origins_can_call_the_api(program: Declared) -> None:
    """Credentials of the browser are never allowed: the API uses no cookies."""
    assert "corsConfiguration" not in program.of(API)["api"].inputs
    named = api_of(apiCorsOrigins=["https://app.example.com"])
    assert named.of(API)["api"].inputs["corsConfiguration"] == {
        "allowOrigins": ["https://app.example.com"],
        "allowMethods": ["GET", "POST", "DELETE", "OPTIONS"],
        "allowHeaders": [
            "authorization",
            "content-type",
            "idempotency-key",
            "x-amz-content-sha256",
            "x-amz-date",
            "x-amz-security-token",
        ],
        "exposeHeaders": ["location", "retry-after"],
        "maxAge": 3600,
    }
