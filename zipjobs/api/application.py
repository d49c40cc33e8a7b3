"""The part of the API that one Lambda function serves, on Powertools' event handler."""

import base64
import logging
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, Generic, Protocol, TypeVar

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.event_handler.exceptions import NotFoundError
from aws_lambda_powertools.event_handler.openapi.exceptions import RequestValidationError

from zipjobs.api.problems import (
    INTERNAL_ERROR,
    INVALID_REQUEST,
    NO_CALLER,
    NO_SUBJECT,
    NOT_FOUND,
    HttpProblem,
    InvalidField,
)
from zipjobs.errors import TransientError, ZipJobsError
from zipjobs.jobs.job import EVERYONE
from zipjobs.model import Model
from zipjobs.settings import ApiAuth

logger = logging.getLogger(__name__)

JOBS = "Jobs"
"""The OpenAPI tag of all operations."""

MAX_OWNER_BYTES = 1024
"""The longest identity of a caller.

DynamoDB limits a partition key to 2,048 bytes ("Service, account, and table quotas" in the DynamoDB
Developer Guide). OpenID Connect Core, section 2, limits a subject to 255 characters.
"""


class HasApiAuth(Protocol):
    """The dependency that every route has: how callers authenticate."""

    @property
    def api_auth(self) -> ApiAuth: ...


Dependencies = TypeVar("Dependencies", bound=HasApiAuth)
"""The objects that the routes of one function use: a dataclass in ``zipjobs/wiring``."""


class Api(APIGatewayHttpResolver, Generic[Dependencies]):
    """The routes of one function. Every error response is a problem (RFC 9457).

    The dependencies come with each event, so generating the OpenAPI description builds none.
    """

    _get_dependencies: Callable[[], Dependencies]

    def __init__(self) -> None:
        super().__init__(enable_validation=True)
        self.not_found(_not_found)
        self.exception_handler(HttpProblem)(lambda problem: problem.response)
        self.exception_handler(RequestValidationError)(_invalid_parameters)
        self.exception_handler(ZipJobsError)(_known_error)
        self.exception_handler(Exception)(_internal_error)

    def handle(
        self, event: Mapping[str, Any], context: object, dependencies: Callable[[], Dependencies]
    ) -> dict[str, Any]:
        """Return the response to an API Gateway HTTP API event (payload format 2.0).

        ``dependencies`` is called when a route needs its dependencies.
        """
        self._get_dependencies = dependencies
        return self.resolve(dict(event), context)  # type: ignore[arg-type]

    @property
    def dependencies(self) -> Dependencies:
        """The dependencies of the routes."""
        return self._get_dependencies()

    @property
    def caller(self) -> str:
        """The authenticated caller, who owns the jobs that they submit. See ``caller_of``."""
        return caller_of(self.current_event.raw_event, self.dependencies.api_auth)

    @property
    def body(self) -> bytes:
        """The body of the request. Its content type is ignored."""
        event = self.current_event.raw_event
        body = event.get("body") or ""
        if event.get("isBase64Encoded"):
            return base64.b64decode(body)
        return str(body).encode(errors="surrogatepass")


def json_response(
    content: Model, status: HTTPStatus = HTTPStatus.OK, headers: Mapping[str, str] | None = None
) -> Response[str]:
    """Return a JSON response that must not be cached."""
    return Response(
        status_code=status,
        content_type="application/json",
        headers={"cache-control": "no-store", **(headers or {})},
        body=content.model_dump_json(by_alias=True),
    )


def caller_of(event: Mapping[str, Any], api_auth: ApiAuth) -> str:
    """Return the caller of a request, as its authorizer identified them.

    For IAM, ``iam:`` and the ARN of a user or role, without the name of the role's session. For
    JWT, ``jwt:`` and the token's issuer and subject. Without authorization, EVERYONE. Raises
    HttpProblem if the API has an authorizer and the event names no caller.
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
                raise _no_caller()
            return _token_owner(claims)


def _role_or_user(arn: str | None) -> str:
    if not arn:
        raise _no_caller()
    is_session = arn.split(":", 5)[-1].startswith("assumed-role/")
    return arn.rpartition("/")[0] if is_session else arn


def _token_owner(claims: Mapping[str, Any]) -> str:
    issuer, subject = claims.get("iss"), claims.get("sub")
    if not (issuer and subject):
        detail = (
            "The token has no issuer (iss) or no subject (sub), which identify the owner of jobs. "
            "Use a token with both claims."
        )
        raise HttpProblem(HTTPStatus.FORBIDDEN, NO_SUBJECT, detail)
    owner = f"jwt:{issuer}#{subject}"
    if len(owner.encode()) > MAX_OWNER_BYTES:
        detail = (
            f"The token's issuer and subject have more than {MAX_OWNER_BYTES:,} bytes. Use a token "
            "with shorter claims."
        )
        raise HttpProblem(HTTPStatus.FORBIDDEN, NO_SUBJECT, detail)
    return owner


def _no_caller() -> HttpProblem:
    detail = (
        "The request does not identify its caller. Call the API through API Gateway, with the "
        "authorization that the stack's apiAuth setting names."
    )
    return HttpProblem(HTTPStatus.FORBIDDEN, NO_CALLER, detail)


def _not_found(_: NotFoundError) -> Response[str]:
    detail = "This path does not exist. The API's paths start with /zip-jobs."
    return HttpProblem(HTTPStatus.NOT_FOUND, NOT_FOUND, detail).response


def _invalid_parameters(error: RequestValidationError) -> Response[str]:
    invalid = [
        InvalidField(detail=problem["msg"], parameter=str(problem["loc"][1]))
        for problem in error.errors()
    ]
    detail = "; ".join(f"{field.parameter}: {field.detail}" for field in invalid)
    return HttpProblem(HTTPStatus.BAD_REQUEST, INVALID_REQUEST, detail, invalid).response


def _known_error(error: ZipJobsError) -> Response[str]:
    if isinstance(error, TransientError):
        logger.error("The request failed and can be retried", exc_info=error)
    return HttpProblem.from_error(error).response


def _internal_error(error: Exception) -> Response[str]:
    logger.error("The request failed with an internal error", exc_info=error)
    detail = (
        "Internal error. See the function's log for details. The request may or may not have "
        "taken effect."
    )
    return HttpProblem(HTTPStatus.INTERNAL_SERVER_ERROR, INTERNAL_ERROR, detail).response
