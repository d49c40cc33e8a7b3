"""One function's part of the API, on Powertools' event handler."""

import base64
import logging
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Annotated, Any, Generic, Protocol, TypeVar

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.event_handler.exceptions import NotFoundError
from aws_lambda_powertools.event_handler.openapi.exceptions import RequestValidationError
from aws_lambda_powertools.event_handler.openapi.params import Body
from pydantic import WrapValidator

from zipjobs.api.examples import EXAMPLES
from zipjobs.api.problems import (
    INTERNAL_ERROR,
    INVALID_REQUEST,
    NO_CALLER,
    NO_SUBJECT,
    NOT_FOUND,
    HttpProblem,
    WrongField,
)
from zipjobs.errors import TransientError, ZipJobsError
from zipjobs.jobs.job import EVERYONE
from zipjobs.model import Model
from zipjobs.requests.schema import JobRequest, parse_request
from zipjobs.settings import ApiAuth

logger = logging.getLogger(__name__)

JOBS = "Jobs"
"""The tag of all operations."""

MAX_OWNER_BYTES = 1024
"""Of a caller's identity. A partition key of DynamoDB has up to 2,048 bytes ("Service, account, and
table quotas" in its Developer Guide), a subject up to 255 characters (OpenID Connect Core, 2).
"""


class HasApiAuth(Protocol):
    """The part of what routes work with that tells how callers are known."""

    @property
    def api_auth(self) -> ApiAuth: ...


Dependencies = TypeVar("Dependencies", bound=HasApiAuth)
"""What the routes of a function work with."""

_BYTES = "latin-1"
"""Carries bytes as a string, each as one character."""


def _parse(text: str, _: object) -> JobRequest:
    return parse_request(text.encode(_BYTES))


RequestBody = Annotated[JobRequest, Body(openapi_examples=EXAMPLES), WrapValidator(_parse)]
"""A job's request as the body, read by the parser that reads manifests too."""


class Api(APIGatewayHttpResolver, Generic[Dependencies]):
    """Routes of one function. Every error that it answers with is a problem.

    What they work with comes with the event, so that who only describes the routes loads none of
    it.
    """

    _dependencies: Callable[[], Dependencies]

    def __init__(self) -> None:
        super().__init__(enable_validation=True, json_body_deserializer=_unread)
        self.not_found(_not_found)
        self.exception_handler(HttpProblem)(lambda problem: problem.response)
        self.exception_handler(RequestValidationError)(_wrong_parameters)
        self.exception_handler(ZipJobsError)(_refused)
        self.exception_handler(Exception)(_failed)

    def handle(
        self, event: Mapping[str, Any], context: object, dependencies: Callable[[], Dependencies]
    ) -> dict[str, Any]:
        """API Gateway HTTP API event, payload format 2.0, in; its answer out.

        ``dependencies`` is asked for what the routes work with when one of them needs it.
        """
        self._dependencies = dependencies
        return self.resolve(_with_json_body(event), context)  # type: ignore[arg-type]

    @property
    def dependencies(self) -> Dependencies:
        """What the route works with."""
        return self._dependencies()

    @property
    def caller(self) -> str:
        """Who sent the request, as the API's authorizer says: the owner of what they submit."""
        return caller_of(self.current_event.raw_event, self.dependencies.api_auth)


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


def caller_of(event: Mapping[str, Any], api_auth: ApiAuth) -> str:
    """Return who sent a request: the owner of the jobs that it submits.

    ``iam:`` and the ARN of a user or role, without the session's name, which changes from one
    session to the next; ``jwt:`` and the token's issuer and subject; or EVERYONE for an API without
    authorization. Raises HttpProblem if the API has an authorizer and the event names no caller.
    """
    authorizer = event.get("requestContext", {}).get("authorizer") or {}
    match api_auth:
        case ApiAuth.NONE:
            return EVERYONE
        case ApiAuth.IAM:
            return f"iam:{_role_or_user((authorizer.get('iam') or {}).get('userArn'))}"
        case ApiAuth.JWT:
            claims = (authorizer.get("jwt") or {}).get("claims") or {}
            if not claims:
                raise _unknown_caller()
            return _token_owner(claims)


def _role_or_user(arn: str | None) -> str:
    if not arn:
        raise _unknown_caller()
    is_session = arn.split(":", 5)[-1].startswith("assumed-role/")
    return arn.rpartition("/")[0] if is_session else arn


def _token_owner(claims: Mapping[str, Any]) -> str:
    issuer, subject = claims.get("iss"), claims.get("sub")
    if not (issuer and subject):
        detail = "The token has no issuer (iss) or no subject (sub), so it names no owner for jobs."
        raise HttpProblem(HTTPStatus.FORBIDDEN, NO_SUBJECT, detail)
    owner = f"jwt:{issuer}#{subject}"
    if len(owner.encode()) > MAX_OWNER_BYTES:
        detail = f"The token's issuer and subject have more than {MAX_OWNER_BYTES:,} bytes."
        raise HttpProblem(HTTPStatus.FORBIDDEN, NO_SUBJECT, detail)
    return owner


def _unknown_caller() -> HttpProblem:
    detail = (
        "The request came without the identity of its caller. Call the API through API Gateway, "
        "with the authorization that the stack's apiAuth setting names."
    )
    return HttpProblem(HTTPStatus.FORBIDDEN, NO_CALLER, detail)


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
