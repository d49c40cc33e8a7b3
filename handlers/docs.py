"""``GET /openapi.json`` and ``GET /docs``: the API's description, and a page to try it on."""

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
    """API Gateway HTTP API event, payload format 2.0, in; its answer out."""
    telemetry.start_logging(context)
    return app.handle(event, context, DocsSettings.from_environment)


@app.get("/openapi.json", include_in_schema=False, compress=True)
def openapi() -> Response[str]:
    """The description."""
    return Response(200, "application/json", _description())


@app.get("/docs", include_in_schema=False, compress=True)
def docs() -> Response[str]:
    """The page."""
    page = swagger_page(_description())
    return Response(200, "text/html; charset=utf-8", page.html, headers=dict(page.headers))


def _description() -> str:
    return describe((submit.app, show.app, cancel.app), app.dependencies.api_auth)
