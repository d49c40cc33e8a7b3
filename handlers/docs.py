"""``GET /openapi.json`` and ``GET /docs``: the OpenAPI description and the Swagger page."""

from typing import Any

from aws_lambda_powertools.event_handler import Response

from zipjobs import telemetry
from zipjobs.api import cancel, show, submit
from zipjobs.api.application import Api
from zipjobs.api.description import describe
from zipjobs.api.page import swagger_page
from zipjobs.settings import DocsSettings

app: Api[DocsSettings] = Api()


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Handle an HTTP API event (payload format 2.0) and return the response."""
    telemetry.start_logging(context)
    return app.handle(event, context, DocsSettings.from_environment)


@app.get("/openapi.json", include_in_schema=False, compress=True)
def openapi() -> Response[str]:
    """Return the OpenAPI description."""
    return Response(200, "application/json", _description())


@app.get("/docs", include_in_schema=False, compress=True)
def docs() -> Response[str]:
    """Return the Swagger page."""
    page = swagger_page(_description())
    return Response(200, "text/html; charset=utf-8", page.html, headers=dict(page.headers))


def _description() -> str:
    return describe((submit.app, show.app, cancel.app), app.dependencies.api_auth)
