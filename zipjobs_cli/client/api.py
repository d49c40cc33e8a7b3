"""A client of the HTTP API."""

import http.client
import json
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from http import HTTPStatus
from random import Random
from typing import Any, cast
from urllib.parse import quote, urlencode

from urllib3 import BaseHTTPResponse
from urllib3.exceptions import HTTPError

from zipjobs_cli.client.http import is_loopback, pool
from zipjobs_cli.client.job import Accepted, Job
from zipjobs_cli.client.stack import Stack
from zipjobs_cli.errors import CliError

MAX_BODY_BYTES = 6 * 1000 * 1000
"""Lambda accepts 6 MB, including what API Gateway adds ("Lambda quotas", Developer Guide)."""

MAX_PAGE = 100

USER_AGENT = "s3-zip-jobs-cli"

PAUSES_SECONDS = (0.5, 1.0, 2.0, 4.0, 8.0)
"""Pauses before the retries of a request. Each is shortened by up to half, at random."""

MAX_PAUSE_SECONDS = 30.0
"""Upper limit for a pause that the API asks for with Retry-After."""

RETRIED = frozenset({429, 502, 503, 504})
"""Status codes that are retried. API Gateway sends 503 when a function cannot start, and 504 when
it times out. All requests of this client are idempotent."""


class ApiError(CliError):
    """An error response of the API: status, error code and detail.

    ``errors`` are validation errors, with ``detail`` and ``pointer`` or ``parameter``.
    """

    def __init__(
        self, status: int, code: str, detail: str, errors: Sequence[Mapping[str, str]] = ()
    ) -> None:
        self.status = status
        self.code = code
        self.detail = detail
        self.errors = tuple(errors)
        lines = [
            f"  {one.get('pointer') or one.get('parameter') or '#'}: {one.get('detail', '')}"
            for one in self.errors
        ]
        summary = "The request is invalid" if lines else detail.rstrip(".")
        super().__init__("\n".join((f"{summary}. ({status} {code})", *lines)))


class Api:
    """A client for the API of ``stack``. Requests that fail temporarily are retried.

    All methods raise ApiError for error responses, and CliError if there is no valid response.
    """

    def __init__(
        self,
        stack: Stack,
        pauses_seconds: Sequence[float] = PAUSES_SECONDS,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.stack = stack
        self._pauses_seconds = pauses_seconds
        self._sleep = sleep
        self._pool = pool(stack.api_url)
        self._random = Random()  # noqa: S311  (only spreads retries)
        if stack.api_auth == "jwt":
            self._check_token()

    def submit(self, request: Mapping[str, Any] | bytes, key: str | None = None) -> Accepted:
        """Submit a job. ``request`` is described in docs/api.md; bytes are sent unchanged.

        ``key`` is the Idempotency-Key (default: a random one, so that retries are safe).
        """
        body = request if isinstance(request, bytes) else to_json(request)
        if len(body) > MAX_BODY_BYTES:
            raise CliError(
                f"The request has {len(body):,} bytes; the API accepts {MAX_BODY_BYTES:,}. Upload "
                "it as a manifest (--manifest), or put the list in S3 (--entries-from)."
            )
        headers = {"content-type": "application/json", "idempotency-key": key or str(uuid.uuid4())}
        response = self.json("POST", "/zip-jobs", body, headers)
        return cast("Accepted", self._checked(response, "jobId", "status"))

    def get(self, job_id: str) -> Job:
        """Return a job, with new links if it is READY."""
        response = self.json("GET", f"/zip-jobs/{_checked_id(job_id)}")
        return cast("Job", self._checked(response, "jobId", "status"))

    def cancel(self, job_id: str) -> Job:
        """Cancel a job and return it."""
        response = self.json("DELETE", f"/zip-jobs/{_checked_id(job_id)}")
        return cast("Job", self._checked(response, "jobId", "status"))

    def newest(self, count: int, status: str | None = None) -> Iterator[Job]:
        """Yield up to ``count`` jobs, newest first."""
        limit = min(count, MAX_PAGE)
        cursor: str | None = None
        while count > 0:
            options = {"status": status, "limit": limit, "cursor": cursor}
            query = {name: value for name, value in options.items() if value is not None}
            response = self.json("GET", f"/zip-jobs?{urlencode(query, quote_via=quote)}")
            page = self._checked(response, "jobs")
            yield from page["jobs"][:count]
            count -= len(page["jobs"])
            cursor = page.get("nextCursor")
            if cursor is None:
                return

    def json(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """Send a request and return the parsed JSON response."""
        return self.parsed(self.send(method, path, body, headers))

    def parsed(self, response: BaseHTTPResponse) -> Any:
        """Return the JSON of a successful response."""
        if response.status >= HTTPStatus.BAD_REQUEST:
            raise _error_of(response, self.stack)
        try:
            return json.loads(response.data)
        except ValueError as error:
            raise _not_the_api(self.stack, "its response is not JSON") from error

    def send(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
    ) -> BaseHTTPResponse:
        """Send a request and return the response with any status, without decompressing it."""
        pauses = iter((*self._pauses_seconds, None))
        while True:
            try:
                response = self._send_once(method, path, body, headers or {})
            except HTTPError as error:
                pause = next(pauses)
                if pause is None:
                    raise CliError(f"{self.stack.api_url} does not respond: {error}.") from error
                self._sleep(self._jittered(pause))
                continue
            pause = next(pauses) if response.status in RETRIED else None
            if pause is None:
                return response
            self._sleep(_retry_after(response) or self._jittered(pause))

    def _send_once(
        self, method: str, path: str, body: bytes, headers: Mapping[str, str]
    ) -> BaseHTTPResponse:
        url = self.stack.api_url + path
        signed = self._authorized(method, url, body, {"user-agent": USER_AGENT, **headers})
        return self._pool.request(
            method, url, body=body or None, headers=signed, redirect=False, decode_content=False
        )

    def _authorized(
        self, method: str, url: str, body: bytes, headers: Mapping[str, str]
    ) -> dict[str, str]:
        """Return the headers with authorization. A signature is valid for five minutes."""
        if self.stack.api_auth == "jwt":
            return {**headers, "authorization": f"Bearer {self.stack.token}"}
        if self.stack.api_auth == "none":
            return dict(headers)
        from botocore.auth import SigV4Auth
        from botocore.awsrequest import AWSRequest

        # Other headers are not signed: HTTP proxies may change them.
        request = AWSRequest(method, url, headers={}, data=body or None)
        credentials = self.stack.credentials()
        SigV4Auth(credentials, "execute-api", self.stack.require("region")).add_auth(request)
        return {**headers, **{name.lower(): value for name, value in request.headers.items()}}

    def _check_token(self) -> None:
        if not self.stack.token:
            raise CliError("The API requires a bearer token. Set ZIPJOBS_TOKEN or --token.")
        if not (self.stack.token.isascii() and self.stack.token.isprintable()):
            raise CliError("The bearer token has characters that are not printable ASCII.")
        if self.stack.api_url.startswith("http:") and not is_loopback(self.stack.api_url):
            raise CliError(f"{self.stack.api_url} is not https. The token would be sent in clear.")

    def _jittered(self, pause: float) -> float:
        return pause * self._random.uniform(0.5, 1.0)

    def _checked(self, response: Any, *names: str) -> dict[str, Any]:
        if not isinstance(response, dict) or not all(name in response for name in names):
            raise _not_the_api(self.stack, f"its response has no {' or '.join(names)}")
        return response


def to_json(request: Mapping[str, Any]) -> bytes:
    """Return a request as JSON. Raises CliError if it is not valid Unicode."""
    try:
        return json.dumps(request, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise CliError(f"The request is not UTF-8: {error.object[error.start]!r}.") from error


def _checked_id(job_id: str) -> str:
    try:
        return str(uuid.UUID(job_id))
    except ValueError as error:
        example = "f81d4fae-7dec-41d0-a765-00a0c91e6bf6"
        raise CliError(f"{job_id!r} is not a job ID. Example: {example}.") from error


def _retry_after(response: BaseHTTPResponse) -> float | None:
    seconds = response.headers.get("retry-after", "")
    return min(float(seconds), MAX_PAUSE_SECONDS) if seconds.isdecimal() and int(seconds) else None


def _error_of(response: BaseHTTPResponse, stack: Stack) -> CliError:
    try:
        body = json.loads(response.data)
    except ValueError:
        body = None
    match body:
        case {"code": str(code), "detail": str(detail)}:
            errors = [one for one in body.get("errors") or () if isinstance(one, dict)]
            return ApiError(response.status, code, detail, errors)
        case {"message": str(message)}:
            return _gateway_error(response.status, message, stack)
    return _not_the_api(stack, f"it returned {response.status}")


def _gateway_error(status: int, message: str, stack: Stack) -> ApiError:
    """Return the error for a response of API Gateway itself, which has only a message."""
    code = http.client.responses.get(status, "unknown").upper().replace(" ", "_")
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        message = f"{message}: {_authorization_hint(stack)}"
    return ApiError(status, code, message)


def _authorization_hint(stack: Stack) -> str:
    if stack.api_auth == "jwt":
        return (
            "The API requires a bearer token (apiAuth: jwt) with its issuer and audience that has "
            "not expired."
        )
    if stack.api_auth == "none":
        return "The API requires authorization. Set ZIPJOBS_API_AUTH to iam or jwt."
    if stack.endpoint_url:
        return (
            "The local stack accepts only the access key `local` with the secret `local`, but "
            "AWS_ACCESS_KEY_ID is set."
        )
    return (
        "The API requires AWS credentials (apiAuth: iam) of its account that allow "
        f"execute-api:Invoke in the region {stack.region}. `doctor` shows your credentials."
    )


def _not_the_api(stack: Stack, reason: str) -> CliError:
    return CliError(f"{stack.api_url} is not an S3 ZIP Jobs API: {reason}.")
