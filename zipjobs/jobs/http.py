"""Answers of the HTTP API, in API Gateway's payload format 2.0."""

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, TypedDict

from zipjobs.jobs.job import shorten


class HttpAnswer(TypedDict):
    """What a Lambda proxy integration returns."""

    statusCode: int
    headers: dict[str, str]
    body: str


def caller_of(event: Mapping[str, Any]) -> str:
    """Who sent a request, as the API's authorizer says; empty if it has none."""
    authorizer = event.get("requestContext", {}).get("authorizer", {})
    iam, claims = authorizer.get("iam", {}), authorizer.get("jwt", {}).get("claims", {})
    return str(iam.get("userArn") or claims.get("sub") or "")


def answer(
    status: int, content: Mapping[str, Any], headers: Mapping[str, str] | None = None
) -> HttpAnswer:
    """``content`` as JSON."""
    return json_answer(status, json.dumps(content), headers)


def json_answer(status: int, body: str, headers: Mapping[str, str] | None = None) -> HttpAnswer:
    """A body that is JSON already."""
    return {
        "statusCode": status,
        "headers": {"content-type": "application/json", **(headers or {})},
        "body": body,
    }


def problem(status: int, code: str, detail: str) -> HttpAnswer:
    """An error as RFC 9457 problem details, with our stable ``code`` as an extension."""
    content = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "code": code,
        "detail": shorten(detail),
    }
    return answer(status, content, {"content-type": "application/problem+json"})
