"""The API's OpenAPI 3.1 description, generated from the routes of its functions."""

import json
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

from aws_lambda_powertools.event_handler.openapi.merge import OpenAPIMerge

from zipjobs.api.application import JOBS, Api
from zipjobs.api.problems import PROBLEM_JSON, example_of

OPENAPI_VERSION = "3.1.0"
API_VERSION = "1"

TITLE = "S3 ZIP Jobs"
DESCRIPTION = """\
ZIP archives of the objects that you keep in S3, made where they live.

`POST` what to zip, `GET` the job until it is `READY`, and follow its `downloadUrl`.
"""

_VALIDATION_ANSWER = "422"
_VALIDATION_SCHEMAS = ("HTTPValidationError", "ValidationError", "ResponseValidationError")
"""What Powertools would answer with where we answer with a problem."""

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
"""By ``apiAuth``; ``none`` has none."""


_GATEWAY_ANSWERS = {"iam": "403", "jwt": "401"}
_GATEWAY_ANSWER = {
    "schema": {"type": "object", "properties": {"message": {"type": "string"}}},
    "example": {"message": "Forbidden"},
}
"""Of requests without the right signature or token, which reach no function."""


def describe(apps: Iterable[Api[Any]], auth: str) -> str:
    """The description as JSON. ``auth`` is the stack's ``apiAuth``."""
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
        merge.add_schema(_described(app))
    description = merge.get_openapi_schema()
    if not is_open:
        _add_gateways_answer(description, _GATEWAY_ANSWERS[auth])
    return json.dumps(description, ensure_ascii=False)


def _add_gateways_answer(description: dict[str, Any], status: str) -> None:
    for path in description["paths"].values():
        for operation in path.values():
            answer = operation["responses"].setdefault(
                status, {"description": "The gateway does not know who sent the request"}
            )
            answer.setdefault("content", {})["application/json"] = _GATEWAY_ANSWER


def _described(app: Api[Any]) -> dict[str, Any]:
    """One function's routes, with problems for all their errors."""
    schema: dict[str, Any] = json.loads(
        app.get_openapi_json_schema(openapi_version=OPENAPI_VERSION)
    )
    for path in schema["paths"].values():
        for operation in path.values():
            answer = operation["responses"].get(_VALIDATION_ANSWER, {})
            if "application/json" in answer.get("content", {}):
                del operation["responses"][_VALIDATION_ANSWER]
            for status, answer in operation["responses"].items():
                if problem := answer["content"].get(PROBLEM_JSON):
                    problem["example"] = example_of(HTTPStatus(int(status)))
            for parameter in operation.get("parameters", []):
                parameter["schema"] = _given(parameter["schema"])
    for name in _VALIDATION_SCHEMAS:
        schema["components"]["schemas"].pop(name, None)
    untitled: dict[str, Any] = _untitled(schema)
    return untitled


def _given(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema of a parameter that is there: one that may be left out cannot be null."""
    choices = [choice for choice in schema.pop("anyOf", []) if choice != {"type": "null"}]
    del schema["description"]  # the parameter has it
    return {**choices[0], **schema} if choices else schema


def _untitled(node: Any) -> Any:
    """Without the titles that pydantic makes of the names of fields."""
    if isinstance(node, list):
        return [_untitled(item) for item in node]
    if not isinstance(node, dict):
        return node
    return {
        name: _untitled(value)
        for name, value in node.items()
        if not (name == "title" and isinstance(value, str) and "version" not in node)
    }
