"""Errors as RFC 9457 problem details, with a stable ``code`` as an extension."""

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
from zipjobs.jobs.job import shorten
from zipjobs.model import Model

PROBLEM_JSON = "application/problem+json"

INVALID_REQUEST = InvalidRequest.code
UNAVAILABLE = "UNAVAILABLE"
NOT_FOUND = "NOT_FOUND"
INTERNAL_ERROR = "INTERNAL_ERROR"
NO_CALLER = "NO_CALLER"
NO_SUBJECT = "NO_SUBJECT"

_STATUSES: Mapping[type[PermanentError], HTTPStatus] = {
    NotAllowed: HTTPStatus.FORBIDDEN,
    IdempotencyKeyReused: HTTPStatus.UNPROCESSABLE_ENTITY,
}
"""Of every other permanent error: 400."""


EXAMPLES: Mapping[HTTPStatus, tuple[str, str]] = {
    HTTPStatus.BAD_REQUEST: (INVALID_REQUEST, "keys.0: Input should be a valid string"),
    HTTPStatus.FORBIDDEN: (NotAllowed.code, "sourceBucket: others/a.pdf is not allowed here."),
    HTTPStatus.NOT_FOUND: ("JOB_NOT_FOUND", "There is no such job."),
    HTTPStatus.CONFLICT: ("JOB_FINISHED", "The job is READY: it cannot be cancelled."),
    HTTPStatus.UNPROCESSABLE_ENTITY: (
        IdempotencyKeyReused.code,
        "This Idempotency-Key came with another request before.",
    ),
    HTTPStatus.SERVICE_UNAVAILABLE: (UNAVAILABLE, "AWS did not do what was asked just now."),
}


class WrongField(Model):
    """What is wrong in one place of a request: a JSON pointer into the body, or a parameter."""

    detail: str
    pointer: str | None = Field(default=None, examples=["#/keys/0"])
    parameter: str | None = Field(default=None, examples=["limit"])


class ProblemDetails(Model):
    """Why a request was refused, or could not be answered."""

    type: str = Field(
        default="about:blank", description="No more than the status says: RFC 9457, 4.2.1."
    )
    title: str = Field(description="The status in words.", examples=["Bad Request"])
    status: int = Field(examples=[400])
    code: str = Field(description="Stable, for programs.", examples=[INVALID_REQUEST])
    detail: str = Field(description="What is wrong, and what to do about it.")
    errors: tuple[WrongField, ...] | None = Field(
        default=None, description="The places that are wrong, if there are such."
    )


class HttpProblem(Exception):
    """Ends a request with this answer."""

    def __init__(
        self, status: HTTPStatus, code: str, detail: str, errors: Sequence[WrongField] = ()
    ) -> None:
        super().__init__(detail)
        self.problem = ProblemDetails(
            title=status.phrase,
            status=status,
            code=code,
            detail=shorten(detail),
            errors=tuple(errors) or None,
        )

    @classmethod
    def of(cls, error: ZipJobsError) -> "HttpProblem":
        """What the client learns of an error."""
        match error:
            case InvalidRequest():
                wrong = [
                    WrongField(detail=problem.detail, pointer=problem.pointer)
                    for problem in error.problems
                ]
                return cls(HTTPStatus.BAD_REQUEST, error.code, str(error), wrong)
            case PermanentError():
                status = _STATUSES.get(type(error), HTTPStatus.BAD_REQUEST)
                return cls(status, error.code, str(error))
            case _:
                detail = "AWS did not do what was asked just now. Try again in a moment."
                return cls(HTTPStatus.SERVICE_UNAVAILABLE, UNAVAILABLE, detail)

    @property
    def response(self) -> Response[str]:
        is_transient = self.problem.status == HTTPStatus.SERVICE_UNAVAILABLE
        return Response(
            status_code=self.problem.status,
            content_type=PROBLEM_JSON,
            headers={"retry-after": "1"} if is_transient else {},
            body=self.problem.model_dump_json(by_alias=True, exclude_none=True),
        )


def documented(*statuses: HTTPStatus) -> dict[int, Any]:
    """How the problems with these statuses stand in the API's description."""
    content = {PROBLEM_JSON: {"model": ProblemDetails}}
    return {int(status): {"description": status.phrase, "content": content} for status in statuses}


def example_of(status: HTTPStatus) -> dict[str, Any]:
    """A problem with this status, as JSON."""
    code, detail = EXAMPLES[status]
    wrong = [WrongField(detail=detail.partition(": ")[2], pointer="#/keys/0")]
    errors = wrong if status is HTTPStatus.BAD_REQUEST else []
    problem = HttpProblem(status, code, detail, errors).problem
    return problem.model_dump(mode="json", by_alias=True, exclude_none=True)
