"""Who may pass, and what the function learns of them: AWS_IAM, JWT, or nobody asks."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from local.deployment.declarations import DeclaredAuthorizer, DeclaredRoute
from local.errors import LocalError
from local.gateway.identities import find_access_key
from local.gateway.request import RawRequest
from local.gateway.sigv4 import InvalidSignature, signer_of
from local.gateway.tokens import InvalidToken, TokenVerifier, as_strings
from local.names import ACCOUNT_ID

Context = dict[str, Any]
"""What becomes ``requestContext.authorizer``; empty if nobody was asked."""

BEARER = "bearer "


class Refused(Exception):
    """A request that may not pass.

    The client gets ``status``, ``answer`` and ``headers``; why, is for the log: an HTTP API tells
    only what a JWT lacks, in ``www-authenticate``.
    """

    def __init__(
        self, status: int, answer: str, why: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(why)
        self.status = status
        self.answer = answer
        self.headers = headers or {}


class NoAuthorizer:
    """Lets everybody pass."""

    def authorize(self, request: RawRequest) -> Context:
        return {}


class IamAuthorizer:
    """Lets pass what is signed with an access key that exists. IAM policies are not evaluated."""

    def __init__(self, region: str) -> None:
        self._region = region

    def authorize(self, request: RawRequest) -> Context:
        """Raises Refused."""
        try:
            key = signer_of(request, self._region, find_access_key, datetime.now(UTC))
        except InvalidSignature as error:
            raise Refused(403, "Forbidden", str(error)) from error
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
    """Lets pass what bears a token of the declared issuer, for one of the declared audiences."""

    def __init__(self, declared: DeclaredAuthorizer) -> None:
        self._verifier = TokenVerifier(declared.issuer, declared.audiences)

    def authorize(self, request: RawRequest) -> Context:
        """Raises Refused."""
        token = request.headers.get("authorization", "").strip()
        if token.lower().startswith(BEARER):
            token = token[len(BEARER) :].strip()
        if not token:
            raise Refused(401, "Unauthorized", "there is no token", {"www-authenticate": "Bearer"})
        try:
            claims = self._verifier.claims(token)
        except InvalidToken as error:
            challenge = f'Bearer scope="" error="invalid_token" error_description="{error}"'
            headers = {"www-authenticate": challenge}
            raise Refused(401, "Unauthorized", str(error), headers) from error
        return {"jwt": {"claims": as_strings(claims), "scopes": None}}


Authorizer = NoAuthorizer | IamAuthorizer | JwtAuthorizer


def authorizer_of(
    route: DeclaredRoute, authorizers: Mapping[str, DeclaredAuthorizer], region: str
) -> Authorizer:
    """Raises LocalError for a kind of authorization that is not played."""
    match route.authorization_type:
        case "NONE":
            return NoAuthorizer()
        case "AWS_IAM":
            return IamAuthorizer(region)
        case "JWT" if declared := authorizers.get(route.authorizer_id or ""):
            return JwtAuthorizer(declared)
        case other:
            raise LocalError(
                f"Route {route.route_key} asks for {other} authorization, and the embedded AWS "
                "does not know by whom, or does not play that."
            )
