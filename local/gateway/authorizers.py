"""Authorizers of an HTTP API's routes: AWS_IAM, JWT or none."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from local.deployment.declarations import DeclaredAuthorizer, DeclaredRoute
from local.errors import LocalError
from local.gateway.identities import find_access_key
from local.gateway.request import RawRequest
from local.gateway.sigv4 import InvalidSignature, verify_signature
from local.gateway.tokens import InvalidToken, TokenVerifier, as_strings
from local.names import ACCOUNT_ID

Context = dict[str, Any]
"""The event's ``requestContext.authorizer``; empty without an authorizer."""

BEARER = "bearer "


class Unauthorized(Exception):
    """A refused request.

    The client gets ``status``, ``message`` and ``headers``. ``reason`` is for the log: an HTTP API
    explains only invalid JWTs, in ``www-authenticate``.
    """

    def __init__(
        self, status: int, message: str, reason: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(reason)
        self.status = status
        self.message = message
        self.headers = headers or {}


class NoAuthorizer:
    """Accepts every request."""

    def authorize(self, request: RawRequest) -> Context:
        return {}


class IamAuthorizer:
    """Accepts requests signed with an existing access key. IAM policies are not evaluated."""

    def __init__(self, region: str) -> None:
        self._region = region

    def authorize(self, request: RawRequest) -> Context:
        """Return the context. Raises Unauthorized."""
        try:
            key = verify_signature(request, self._region, find_access_key, datetime.now(UTC))
        except InvalidSignature as error:
            raise Unauthorized(403, "Forbidden", str(error)) from error
        return {
            "iam": {
                "accessKey": key.access_key_id,
                "accountId": ACCOUNT_ID,
                "callerId": key.user_id,
                "cognitoIdentity": None,
                "principalOrgId": None,
                "userArn": key.user_arn,
                "userId": key.user_id,
            }
        }


class JwtAuthorizer:
    """Accepts requests with a token of the declared issuer for a declared audience."""

    def __init__(self, declared: DeclaredAuthorizer) -> None:
        self._verifier = TokenVerifier(declared.issuer, declared.audiences)

    def authorize(self, request: RawRequest) -> Context:
        """Return the context. Raises Unauthorized."""
        token = request.headers.get("authorization", "").strip()
        if token.lower().startswith(BEARER):
            token = token[len(BEARER) :].strip()
        if not token:
            raise Unauthorized(
                401, "Unauthorized", "the request has no token", {"www-authenticate": "Bearer"}
            )
        try:
            claims = self._verifier.verify(token)
        except InvalidToken as error:
            challenge = f'Bearer scope="" error="invalid_token" error_description="{error}"'
            headers = {"www-authenticate": challenge}
            raise Unauthorized(401, "Unauthorized", str(error), headers) from error
        return {"jwt": {"claims": as_strings(claims), "scopes": None}}


Authorizer = NoAuthorizer | IamAuthorizer | JwtAuthorizer


def make_authorizer(
    route: DeclaredRoute, authorizers: Mapping[str, DeclaredAuthorizer], region: str
) -> Authorizer:
    """Return the authorizer of a route. Raises LocalError if its type is not supported."""
    match route.authorization_type:
        case "NONE":
            return NoAuthorizer()
        case "AWS_IAM":
            return IamAuthorizer(region)
        case "JWT" if declared := authorizers.get(route.authorizer_id or ""):
            return JwtAuthorizer(declared)
        case other:
            raise LocalError(
                f"Route {route.route_key}: the embedded AWS does not support {other} "
                "authorization, or the route's authorizer is not declared."
            )
