"""A WSGI middleware that denies requests that the caller's role does not allow.

Requests without a role's credentials come from the account's administrator: the local user, and the
embedded AWS itself. They are always allowed.

A function's request to S3 without an expected bucket owner is refused too. S3 would allow it, but
this service always sets it ("Verifying bucket ownership with bucket owner condition" in the Amazon
S3 User Guide). The embedded AWS has one account, so a request that expects another is denied.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from werkzeug.test import run_wsgi_app

from local.aws_requests import AwsRequest, credential_scope, drain, identify_request
from local.error_responses import error_response
from local.iam.evaluation import Principal
from local.iam.permissions import Permissions
from local.iam.required_actions import Location, RequiredActions, required_actions
from local.iam.s3_actions import delete_access, keys_to_delete, remove_keys

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

UNKNOWN_OPERATION = (
    "which the embedded AWS does not know. Add its permissions to local/iam/required_actions.py."
)
NO_OWNER = "which has no expected bucket owner. Create its client as zipjobs/wiring/api.py does."

_OWNER = "HTTP_X_AMZ_EXPECTED_BUCKET_OWNER"
_SOURCE_OWNER = "HTTP_X_AMZ_SOURCE_EXPECTED_BUCKET_OWNER"
_COPY_SOURCE = "HTTP_X_AMZ_COPY_SOURCE"


class IamMiddleware:
    """A WSGI application in front of another."""

    def __init__(self, app: "WSGIApplication", permissions: Permissions) -> None:
        self._app = app
        self._permissions = permissions

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        permissions = self._permissions
        scope = credential_scope(environ)
        principal = permissions.policy_store.session(scope.access_key_id) if scope else None
        expects_other = _expects_other_account(environ, permissions.account)
        request = identify_request(environ) if principal or expects_other else None
        if request is not None and expects_other:
            return _deny(request, "Access Denied", environ, start_response)
        if scope is None or principal is None or request is None:
            return self._app(environ, start_response)
        name = f"{request.service} {request.operation or environ['REQUEST_METHOD']}"
        if _has_no_expected_owner(request, environ):
            message = permissions.refuse(principal, name, NO_OWNER)
            return _deny(request, message, environ, start_response)
        required = required_actions(request, environ, Location(scope.region, permissions.account))
        if not required.is_known:
            message = permissions.refuse(principal, name, UNKNOWN_OPERATION)
            return _deny(request, message, environ, start_response)
        if request.operation == "DeleteObjects":
            return self._delete_objects(request, principal, environ, start_response)
        if denial := permissions.denial(principal, name, required.accesses):
            return _deny(request, denial, environ, start_response)
        if required.if_missing:
            return self._read(request, principal, required, environ, start_response)
        return self._app(environ, start_response)

    def _read(
        self,
        request: AwsRequest,
        principal: Principal,
        required: RequiredActions,
        environ: "WSGIEnvironment",
        start_response: "StartResponse",
    ) -> Iterable[bytes]:
        """Return 404 only to callers that may list the bucket: "GetObject" in the S3 API."""
        chunks, status, headers = run_wsgi_app(self._app, environ)
        if not status.startswith("404"):
            start_response(status, headers.to_wsgi_list())
            return chunks
        body = b"".join(chunks)
        if b"<Code>NoSuchKey</Code>" in body or not body:
            name = f"s3 {request.operation} of a missing object"
            decisions = [
                self._permissions.evaluate(principal, name, access)
                for access in required.if_missing
            ]
            if not all(decision.allowed for decision in decisions):
                return _deny(request, "Access Denied", environ, start_response)
        start_response(status, headers.to_wsgi_list())
        return [body]

    def _delete_objects(
        self,
        request: AwsRequest,
        principal: Principal,
        environ: "WSGIEnvironment",
        start_response: "StartResponse",
    ) -> Iterable[bytes]:
        """Delete the allowed keys: "DeleteObjects" in the S3 API returns a result for each key."""
        denials: dict[str, str] = {}
        for key, version_id in keys_to_delete(environ):
            access = delete_access(request.key, key, version_id, self._permissions.account)
            if denial := self._permissions.denial(principal, "s3 DeleteObjects", [access]):
                denials[key] = denial
        if not denials:
            return self._app(environ, start_response)
        errors = "".join(
            f"<Error><Key>{escape(key)}</Key><Code>AccessDenied</Code>"
            f"<Message>{escape(denial)}</Message></Error>"
            for key, denial in denials.items()
        )
        if not remove_keys(environ, denials):
            start_response("200 OK", [("Content-Type", "application/xml")])
            return [f"<DeleteResult>{errors}</DeleteResult>".encode()]
        chunks, status, headers = run_wsgi_app(self._app, environ, buffered=True)
        end = "</DeleteResult>"
        body = b"".join(chunks).replace(end.encode(), f"{errors}{end}".encode())
        headers["Content-Length"] = str(len(body))
        start_response(status, headers.to_wsgi_list())
        return [body]


def _expects_other_account(environ: "WSGIEnvironment", account: str) -> bool:
    return any(environ.get(header, account) != account for header in (_OWNER, _SOURCE_OWNER))


def _has_no_expected_owner(request: AwsRequest, environ: "WSGIEnvironment") -> bool:
    """Return whether an owner is missing. A presigned request needs none."""
    if request.service != "s3" or "HTTP_AUTHORIZATION" not in environ:
        return False
    return _OWNER not in environ or (_COPY_SOURCE in environ and _SOURCE_OWNER not in environ)


def _deny(
    request: AwsRequest, message: str, environ: "WSGIEnvironment", start_response: "StartResponse"
) -> Iterable[bytes]:
    drain(environ)
    is_json = request.protocol == "json"
    status = 400 if is_json and request.service != "sqs" else 403
    code = "AccessDeniedException" if is_json else "AccessDenied"
    headers, body = error_response(request.protocol, status, code, message)
    if request.service == "sqs":
        # Clients report the code of SQS's former query protocol.
        headers.append(("x-amzn-query-error", "AccessDenied;Sender"))
    start_response("403 Forbidden" if status == 403 else "400 Bad Request", headers)
    return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]
