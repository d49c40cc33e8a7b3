"""The OpenAPI 3.1 description of the API, generated from the routes of its functions."""

import json
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

from aws_lambda_powertools.event_handler.openapi.merge import OpenAPIMerge

from zipjobs.api.application import JOBS, Api
from zipjobs.api.problems import PROBLEM_JSON, example_problem
from zipjobs.requests.schema import JobRequest

OPENAPI_VERSION = "3.1.0"
API_VERSION = "1"

TITLE = "S3 ZIP Jobs"
DESCRIPTION = """\
Create ZIP archives of the objects in your S3 buckets.

`POST` a job, `GET` it until it is `READY`, and download the archive from its `downloadUrl`.
"""

REQUEST_EXAMPLES: dict[str, dict[str, Any]] = {
    "keys": {
        "summary": "Objects by key",
        "value": {"keys": ["uploads/one.pdf", "uploads/two.pdf"]},
    },
    "entries": {
        "summary": "Objects with their own names in the archive",
        "value": {"entries": [{"key": "uploads/one.pdf", "name": "2026/invoice 1.pdf"}]},
    },
    "prefix": {
        "summary": "All PDFs below a prefix, skipping objects that were deleted",
        "value": {"prefix": "uploads/", "include": ["**/*.pdf"], "onMissing": "skip"},
    },
}

SECURITY_SCHEMES: dict[str, dict[str, Any]] = {
    "iam": {
        "type": "apiKey",
        "in": "header",
        "name": "Authorization",
        "description": "AWS Signature Version 4 for the service execute-api.",
        "x-amazon-apigateway-authtype": "awsSigv4",
    },
    "jwt": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
}
"""The security scheme of each value of ``apiAuth``. ``none`` has no scheme."""

_GATEWAY_STATUSES = {"iam": "403", "jwt": "401"}
_GATEWAY_RESPONSE = {
    "schema": {"type": "object", "properties": {"message": {"type": "string"}}},
    "example": {"message": "Forbidden"},
}
"""API Gateway's own response to a request without a valid signature or token."""

_POWERTOOLS_STATUS = "422"
_POWERTOOLS_SCHEMAS = ("HTTPValidationError", "ValidationError", "ResponseValidationError")
"""Powertools' own response to an invalid request, which our problem responses replace."""

_SCHEMAS = "#/components/schemas/"


def describe(apps: Iterable[Api[Any]], auth: str) -> str:
    """Return the description as JSON. ``auth`` is the stack's ``apiAuth`` setting."""
    is_open = auth not in SECURITY_SCHEMES
    merge = OpenAPIMerge(
        title=TITLE,
        version=API_VERSION,
        openapi_version=OPENAPI_VERSION,
        description=DESCRIPTION,
        security_schemes=None if is_open else {auth: SECURITY_SCHEMES[auth]},  # type: ignore[dict-item]
        security=None if is_open else [{auth: []}],
        tags=[JOBS],
        on_conflict="error",
    )
    for app in apps:
        merge.add_schema(_describe_app(app))
    description = merge.get_openapi_schema()
    _add_request_body(description)
    if not is_open:
        _add_gateway_response(description, _GATEWAY_STATUSES[auth])
    return json.dumps(_without_titles(description), ensure_ascii=False)


def _describe_app(app: Api[Any]) -> dict[str, Any]:
    """Return the description of one function's routes, with problems for all their errors."""
    description: dict[str, Any] = json.loads(
        app.get_openapi_json_schema(openapi_version=OPENAPI_VERSION)
    )
    for path in description["paths"].values():
        for operation in path.values():
            response = operation["responses"].get(_POWERTOOLS_STATUS, {})
            if "application/json" in response.get("content", {}):
                del operation["responses"][_POWERTOOLS_STATUS]
            for status, response in operation["responses"].items():
                if problem := response["content"].get(PROBLEM_JSON):
                    problem["example"] = example_problem(HTTPStatus(int(status)))
            for parameter in operation.get("parameters", []):
                parameter["schema"] = _not_null(parameter["schema"])
    for name in _POWERTOOLS_SCHEMAS:
        description["components"]["schemas"].pop(name, None)
    return description


def _add_request_body(description: dict[str, Any]) -> None:
    """Describe the body of ``POST /zip-jobs``, which its route parses itself: docs/adr/0005."""
    schema = JobRequest.model_json_schema(ref_template=f"{_SCHEMAS}{{model}}")
    description["components"]["schemas"] |= schema.pop("$defs") | {JobRequest.__name__: schema}
    description["paths"]["/zip-jobs"]["post"]["requestBody"] = {
        "required": True,
        "content": {
            "application/json": {
                "schema": {"$ref": f"{_SCHEMAS}{JobRequest.__name__}"},
                "examples": REQUEST_EXAMPLES,
            }
        },
    }


def _add_gateway_response(description: dict[str, Any], status: str) -> None:
    for path in description["paths"].values():
        for operation in path.values():
            response = operation["responses"].setdefault(
                status, {"description": "The request is not authenticated"}
            )
            response.setdefault("content", {})["application/json"] = _GATEWAY_RESPONSE


def _not_null(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a parameter without null: an optional parameter is absent, not null."""
    choices = [choice for choice in schema.pop("anyOf", []) if choice != {"type": "null"}]
    del schema["description"]  # the parameter has it too
    return {**choices[0], **schema} if choices else schema


def _without_titles(node: Any) -> Any:
    """Return ``node`` without the titles that pydantic derives from names of fields."""
    if isinstance(node, list):
        return [_without_titles(item) for item in node]
    if not isinstance(node, dict):
        return node
    return {
        name: _without_titles(value)
        for name, value in node.items()
        if not (name == "title" and isinstance(value, str) and "version" not in node)
    }
