"""One function's part of the API, on Powertools' event handler."""

import base64
import logging
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Annotated, Any, Generic, TypeVar

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.event_handler.exceptions import NotFoundError
from aws_lambda_powertools.event_handler.openapi.exceptions import RequestValidationError
from aws_lambda_powertools.event_handler.openapi.params import Body
from pydantic import WrapValidator

from zipjobs.api.examples import EXAMPLES
from zipjobs.api.problems import (
    INTERNAL_ERROR,
    INVALID_REQUEST,
    NO_SUBJECT,
    NOT_FOUND,
    HttpProblem,
    WrongField,
)
from zipjobs.errors import TransientError, ZipJobsError
from zipjobs.jobs.job import EVERYONE
from zipjobs.jobs.model import Model
from zipjobs.jobs.request import JobRequest, parse_request

logger = logging.getLogger(__name__)

JOBS = "Jobs"
"""The tag of all operations."""

Means = TypeVar("Means")
"""What the routes of a function work with."""

_BYTES = "latin-1"
"""Carries bytes as a string, each as one character."""


def _parse(text: str, _: object) -> JobRequest:
    return parse_request(text.encode(_BYTES))


RequestBody = Annotated[JobRequest, Body(openapi_examples=EXAMPLES), WrapValidator(_parse)]
"""A job's request as the body, read by the parser that reads manifests too."""


class Api(APIGatewayHttpResolver, Generic[Means]):
    """Routes of one function. Every error that it answers with is a problem.

    What they work with comes with the event, so that who only describes the routes loads none of
    it.
    """

    _means: Callable[[], Means]

    def __init__(self) -> None:
        super().__init__(enable_validation=True, json_body_deserializer=_unread)
        self.not_found(_not_found)
        self.exception_handler(HttpProblem)(lambda problem: problem.response)
        self.exception_handler(RequestValidationError)(_wrong_parameters)
        self.exception_handler(ZipJobsError)(_refused)
        self.exception_handler(Exception)(_failed)

    def answer(
        self, event: Mapping[str, Any], context: object, means: Callable[[], Means]
    ) -> dict[str, Any]:
        """API Gateway HTTP API event, payload format 2.0, in; its answer out.

        ``means`` is asked for what the routes work with when one of them needs it.
        """
        self._means = means
        return self.resolve(_with_json_body(event), context)  # type: ignore[arg-type]

    @property
    def means(self) -> Means:
        """What the route works with."""
        return self._means()

    @property
    def caller(self) -> str:
        """Who sent the request, as the API's authorizer says: the owner of what they submit."""
        return caller_of(self.current_event.raw_event)


def json_response(
    content: Model, status: HTTPStatus = HTTPStatus.OK, headers: Mapping[str, str] | None = None
) -> Response[str]:
    """``content`` as JSON, which no cache may keep."""
    return Response(
        status_code=status,
        content_type="application/json",
        headers={"cache-control": "no-store", **(headers or {})},
        body=content.model_dump_json(by_alias=True),
    )


def caller_of(event: Mapping[str, Any]) -> str:
    """The IAM user or role, or the JWT's subject, that sent a request; EVERYONE without authorizer.

    Of a role, whatever session it is in: a session's name changes from one to the next. Raises
    HttpProblem if the authorizer let somebody in who has no name.
    """
    authorizer = event.get("requestContext", {}).get("authorizer")
    if not authorizer:
        return EVERYONE
    if arn := (authorizer.get("iam") or {}).get("userArn"):
        resource = str(arn).split(":", 5)[-1]
        is_session = resource.startswith("assumed-role/")
        return str(arn).rpartition("/")[0] if is_session else str(arn)
    claims = (authorizer.get("jwt") or {}).get("claims") or {}
    subject = str(claims.get("sub") or EVERYONE)
    if subject == EVERYONE:
        detail = "The token has no subject (sub), so that nobody could own the job."
        raise HttpProblem(HTTPStatus.FORBIDDEN, NO_SUBJECT, detail)
    return subject


def _with_json_body(event: Mapping[str, Any]) -> dict[str, Any]:
    """The event with its body as JSON that is not read yet, whatever the client calls it."""
    body = event.get("body") or ""
    data = (
        base64.b64decode(body)
        if event.get("isBase64Encoded")
        else body.encode(errors="surrogatepass")  # the schema refuses what is not UTF-8
    )
    return {
        **event,
        "headers": {**event.get("headers", {}), "content-type": "application/json"},
        "body": data.decode(_BYTES) or " ",  # the parser says what an empty one lacks
        "isBase64Encoded": False,
    }


def _unread(text: str) -> Any:
    return text


def _not_found(_: NotFoundError) -> Response[str]:
    detail = "There is nothing here. The API's paths are below /zip-jobs."
    return HttpProblem(HTTPStatus.NOT_FOUND, NOT_FOUND, detail).response


def _wrong_parameters(error: RequestValidationError) -> Response[str]:
    wrong = [
        WrongField(detail=problem["msg"], parameter=str(problem["loc"][1]))
        for problem in error.errors()
    ]
    detail = "; ".join(f"{one.parameter}: {one.detail}" for one in wrong)
    return HttpProblem(HTTPStatus.BAD_REQUEST, INVALID_REQUEST, detail, wrong).response


def _refused(error: ZipJobsError) -> Response[str]:
    if isinstance(error, TransientError):
        logger.error("The request was not answered", exc_info=error)
    return HttpProblem.of(error).response


def _failed(error: Exception) -> Response[str]:
    logger.error("The request was not answered", exc_info=error)
    detail = "The service has a defect here; its log tells which. Nothing was changed for certain."
    return HttpProblem(HTTPStatus.INTERNAL_SERVER_ERROR, INTERNAL_ERROR, detail).response
