"""Error responses: RFC 9457 problem details with a stable ``code``."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from aws_lambda_powertools.event_handler import Response
from pydantic import Field

from zipjobs.errors import (
    IdempotencyKeyReused,
    InvalidRequest,
    NotAllowed,
    PermanentError,
    ZipJobsError,
)
from zipjobs.jobs.job import truncate_message
from zipjobs.model import Model

PROBLEM_JSON = "application/problem+json"

INVALID_REQUEST = InvalidRequest.code
UNAVAILABLE = "UNAVAILABLE"
NOT_FOUND = "NOT_FOUND"
INTERNAL_ERROR = "INTERNAL_ERROR"
NO_CALLER = "NO_CALLER"
NO_SUBJECT = "NO_SUBJECT"
JOB_NOT_FOUND = "JOB_NOT_FOUND"
JOB_FINISHED = "JOB_FINISHED"

_STATUSES: Mapping[type[PermanentError], HTTPStatus] = {
    NotAllowed: HTTPStatus.FORBIDDEN,
    IdempotencyKeyReused: HTTPStatus.UNPROCESSABLE_ENTITY,
}
"""The HTTP status of a permanent error. The default is 400."""

_UNAVAILABLE_DETAIL = "An AWS service is temporarily unavailable. Try again in a moment."

_EXAMPLES: Mapping[HTTPStatus, tuple[str, str]] = {
    HTTPStatus.BAD_REQUEST: (INVALID_REQUEST, "keys.0: Input should be a valid string"),
    HTTPStatus.FORBIDDEN: (NotAllowed.code, "sourceBucket: others/a.pdf is not allowed."),
    HTTPStatus.NOT_FOUND: (JOB_NOT_FOUND, "Job 6f1c2a94 does not exist."),
    HTTPStatus.CONFLICT: (JOB_FINISHED, "Job 6f1c2a94 is READY and cannot be cancelled."),
    HTTPStatus.UNPROCESSABLE_ENTITY: (
        IdempotencyKeyReused.code,
        "This Idempotency-Key was used with a different request.",
    ),
    HTTPStatus.SERVICE_UNAVAILABLE: (UNAVAILABLE, _UNAVAILABLE_DETAIL),
}


class InvalidField(Model):
    """An invalid field of the body, as a JSON pointer, or an invalid parameter."""

    detail: str
    pointer: str | None = Field(default=None, examples=["#/keys/0"])
    parameter: str | None = Field(default=None, examples=["limit"])


class ProblemDetails(Model):
    """Why a request failed."""

    type: str = Field(
        default="about:blank",
        description="Always `about:blank`: the status says what the problem is (RFC 9457, 4.2.1).",
    )
    title: str = Field(description="The name of the HTTP status.", examples=["Bad Request"])
    status: int = Field(examples=[400])
    code: str = Field(description="A stable code for programs.", examples=[INVALID_REQUEST])
    detail: str = Field(description="An explanation of the problem and how to fix it.")
    errors: tuple[InvalidField, ...] | None = Field(
        default=None, description="The invalid fields or parameters, if there are any."
    )


class HttpProblem(Exception):
    """Ends a request with an error response."""

    def __init__(
        self, status: HTTPStatus, code: str, detail: str, errors: Sequence[InvalidField] = ()
    ) -> None:
        super().__init__(detail)
        self.problem = ProblemDetails(
            title=status.phrase,
            status=status,
            code=code,
            detail=truncate_message(detail),
            errors=tuple(errors) or None,
        )

    @classmethod
    def from_error(cls, error: ZipJobsError) -> "HttpProblem":
        """Return the problem that a client sees for ``error``."""
        match error:
            case InvalidRequest():
                invalid = [
                    InvalidField(detail=problem.detail, pointer=problem.pointer)
                    for problem in error.problems
                ]
                return cls(HTTPStatus.BAD_REQUEST, error.code, str(error), invalid)
            case PermanentError():
                status = _STATUSES.get(type(error), HTTPStatus.BAD_REQUEST)
                return cls(status, error.code, str(error))
            case _:
                return cls(HTTPStatus.SERVICE_UNAVAILABLE, UNAVAILABLE, _UNAVAILABLE_DETAIL)

    @property
    def response(self) -> Response[str]:
        """The response, with ``Retry-After`` in seconds if the client should try again."""
        is_transient = self.problem.status == HTTPStatus.SERVICE_UNAVAILABLE
        return Response(
            status_code=self.problem.status,
            content_type=PROBLEM_JSON,
            headers={"retry-after": "1"} if is_transient else {},
            body=self.problem.model_dump_json(by_alias=True, exclude_none=True),
        )


def problem_responses(*statuses: HTTPStatus) -> dict[int, Any]:
    """Return the OpenAPI responses of an operation that can fail with ``statuses``."""
    content = {PROBLEM_JSON: {"model": ProblemDetails}}
    return {int(status): {"description": status.phrase, "content": content} for status in statuses}


def example_problem(status: HTTPStatus) -> dict[str, Any]:
    """Return an example of a problem with ``status``, as JSON."""
    code, detail = _EXAMPLES[status]
    invalid = [InvalidField(detail=detail.partition(": ")[2], pointer="#/keys/0")]
    errors = invalid if status is HTTPStatus.BAD_REQUEST else []
    problem = HttpProblem(status, code, detail, errors).problem
    return problem.model_dump(mode="json", by_alias=True, exclude_none=True)
