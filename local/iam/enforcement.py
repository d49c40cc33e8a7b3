"""Stands in front of the embedded AWS, and lets through what the caller's role may do.

Whoever has no role's credentials is the account's administrator: the local user, and the embedded
AWS itself.

A function's request to S3 that does not say whose bucket it expects is refused too: S3 would let it
through, but the service promises to say it each time.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from werkzeug.test import run_wsgi_app

from local.aws_requests import AwsRequest, drain, name_request
from local.iam.credentials import scope_of
from local.iam.evaluation import Principal
from local.iam.owners import expects_another, expects_anybody
from local.iam.permissions import Permissions
from local.iam.required_actions import Needs, Place, needs_of
from local.iam.responses import denied_answer, undeleted
from local.iam.s3_actions import deletion, keys_to_delete, without_keys

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

UNKNOWN = (
    "whose permissions the embedded AWS does not know. Add it to local/iam/required_actions.py."
)
NO_OWNER = (
    "which does not say whose bucket it expects. Make its client as zipjobs/wiring/api.py does."
)


class GuardedAws:
    """A WSGI application in front of another."""

    def __init__(self, app: "WSGIApplication", permissions: Permissions) -> None:
        self._app = app
        self._permissions = permissions

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        scope = scope_of(environ)
        principal = self._permissions.holdings.session(scope.access_key_id) if scope else None
        is_astray = expects_another(environ, self._permissions.account)
        request = name_request(environ) if principal or is_astray else None
        if request is not None and is_astray:
            return _deny(request, "Access Denied", environ, start_response)
        if scope is None or principal is None or request is None:
            return self._app(environ, start_response)
        what = f"{request.service} {request.operation or environ['REQUEST_METHOD']}"
        if expects_anybody(request, environ):
            refused = self._permissions.refuse(principal, what, NO_OWNER)
            return _deny(request, refused, environ, start_response)
        needs = needs_of(request, environ, Place(scope.region, self._permissions.account))
        if not needs.is_known:
            refused = self._permissions.refuse(principal, what, UNKNOWN)
            return _deny(request, refused, environ, start_response)
        if request.operation == "DeleteObjects":
            return self._delete(request, principal, environ, start_response)
        if denied := self._permissions.denial(principal, what, needs.accesses):
            return _deny(request, denied, environ, start_response)
        if needs.if_missing:
            return self._read(request, principal, needs, environ, start_response)
        return self._app(environ, start_response)

    def _read(
        self,
        request: AwsRequest,
        principal: Principal,
        needs: Needs,
        environ: "WSGIEnvironment",
        start_response: "StartResponse",
    ) -> Iterable[bytes]:
        """Tell that an object is missing only to those who may list: "GetObject" in S3's API."""
        pieces, status, headers = run_wsgi_app(self._app, environ)
        if not status.startswith("404"):
            start_response(status, headers.to_wsgi_list())
            return pieces
        body = b"".join(pieces)
        if b"<Code>NoSuchKey</Code>" in body or not body:
            what = f"s3 {request.operation} of a missing object"
            found = [self._permissions.judge(principal, what, need) for need in needs.if_missing]
            if not all(decision.allowed for decision in found):
                return _deny(request, "Access Denied", environ, start_response)
        start_response(status, headers.to_wsgi_list())
        return [body]

    def _delete(
        self,
        request: AwsRequest,
        principal: Principal,
        environ: "WSGIEnvironment",
        start_response: "StartResponse",
    ) -> Iterable[bytes]:
        """Delete what may be deleted: "DeleteObjects" in S3's API answers key by key."""
        account, what = self._permissions.account, "s3 DeleteObjects"
        denied: dict[str, str] = {}
        for key, version_id in keys_to_delete(environ):
            access = deletion(request.key, key, version_id, account)
            if text := self._permissions.denial(principal, what, [access]):
                denied[key] = text
        if not denied:
            return self._app(environ, start_response)
        if not without_keys(environ, denied):
            body = f"<DeleteResult>{undeleted(denied)}</DeleteResult>".encode()
            start_response("200 OK", [("Content-Type", "application/xml")])
            return [body]
        pieces, status, headers = run_wsgi_app(self._app, environ, buffered=True)
        answer = b"".join(pieces).replace(
            b"</DeleteResult>", f"{undeleted(denied)}</DeleteResult>".encode()
        )
        headers["Content-Length"] = str(len(answer))
        start_response(status, headers.to_wsgi_list())
        return [answer]


def _deny(
    request: AwsRequest, text: str, environ: "WSGIEnvironment", start_response: "StartResponse"
) -> Iterable[bytes]:
    drain(environ)
    status, headers, body = denied_answer(request, text)
    start_response(status, headers)
    return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]
