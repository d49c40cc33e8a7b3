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
"""Of a request: what Lambda takes is 6 MB with all that API Gateway puts around it ("Lambda
quotas" in the AWS Lambda Developer Guide)."""

MAX_PAGE = 100

USER_AGENT = "s3-zip-jobs-cli"

PAUSES_SECONDS = (0.5, 1.0, 2.0, 4.0, 8.0)
"""Before a request is sent once more, and again. Half of each is left to chance."""

MAX_PAUSE_SECONDS = 30.0
"""If the API names a longer one, this is as long as it is waited."""

AGAIN = frozenset({429, 502, 503, 504})
"""Answers that may be others in a moment. API Gateway's own 503 is a function that did not start,
its 504 one that took too long; every request here can be sent twice."""


class ApiError(CliError):
    """The API answered with a problem: a status, a stable code, and what is wrong.

    ``errors`` are the places that are wrong: each has ``detail``, and ``pointer`` or ``parameter``.
    """

    def __init__(
        self, status: int, code: str, detail: str, errors: Sequence[Mapping[str, str]] = ()
    ) -> None:
        self.status = status
        self.code = code
        self.detail = detail
        self.errors = tuple(errors)
        lines = [
            f"  {wrong.get('pointer') or wrong.get('parameter') or '#'}: {wrong.get('detail', '')}"
            for wrong in self.errors
        ]
        head = "The request is wrong" if lines else detail.rstrip(".")
        super().__init__("\n".join((f"{head}. ({status} {code})", *lines)))


class Api:
    """Asks the API of ``stack``, with its credentials. What may pass is tried again for a while.

    Every method raises ApiError, or CliError if there is no answer, or none that makes sense.
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
        self._chance = Random()  # noqa: S311  (spreads retries, and hides nothing)
        if stack.api_auth == "jwt":
            self._check_token()

    def submit(self, request: Mapping[str, Any] | bytes, key: str | None = None) -> Accepted:
        """Submit a job, by a request as docs/api.md has it, or one that is JSON already.

        ``key`` is its Idempotency-Key. Without one it gets one of its own, so that no answer that
        was lost makes two jobs.
        """
        body = request if isinstance(request, bytes) else to_json(request)
        if len(body) > MAX_BODY_BYTES:
            raise CliError(
                f"The request has {len(body):,} bytes, and HTTP takes {MAX_BODY_BYTES:,}. Drop it "
                "as a manifest (--manifest), or put the list into S3 (--entries-from)."
            )
        headers = {"content-type": "application/json", "idempotency-key": key or str(uuid.uuid4())}
        answer = self.json("POST", "/zip-jobs", body, headers)
        return cast("Accepted", _checked(answer, "jobId", "status"))

    def get(self, job_id: str) -> Job:
        """A job, with fresh links if it is READY."""
        answer = self.json("GET", f"/zip-jobs/{_id(job_id)}")
        return cast("Job", _checked(answer, "jobId", "status"))

    def cancel(self, job_id: str) -> Job:
        """Cancel a job."""
        answer = self.json("DELETE", f"/zip-jobs/{_id(job_id)}")
        return cast("Job", _checked(answer, "jobId", "status"))

    def pages(self, status: str | None = None, limit: int = MAX_PAGE) -> Iterator[list[Job]]:
        """The jobs, newest first: up to ``limit`` (1 to 100) at a time, or fewer, or none."""
        cursor: str | None = None
        while True:
            given = {"status": status, "limit": limit, "cursor": cursor}
            asked = {name: value for name, value in given.items() if value is not None}
            answer = self.json("GET", f"/zip-jobs?{urlencode(asked, quote_via=quote)}")
            page = _checked(answer, "jobs")
            yield page["jobs"]
            cursor = page.get("nextCursor")
            if cursor is None:
                return

    def newest(self, count: int, status: str | None = None) -> Iterator[Job]:
        """The newest jobs, ``count`` at the most."""
        for page in self.pages(status, min(count, MAX_PAGE)):
            yield from page[:count]
            count -= len(page)
            if count <= 0:
                return

    def json(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """What the API answers, if it is JSON and no problem."""
        return self.parsed(self.send(method, path, body, headers))

    def parsed(self, answer: BaseHTTPResponse) -> Any:
        """What an answer says, if it is JSON and no problem."""
        if answer.status >= HTTPStatus.BAD_REQUEST:
            raise _problem(answer, self.stack)
        try:
            return json.loads(answer.data)
        except ValueError as error:
            raise _no_api(self.stack) from error

    def send(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
    ) -> BaseHTTPResponse:
        """The API's answer, whatever it is, read to its end and not decompressed."""
        pauses = iter((*self._pauses_seconds, None))
        while True:
            try:
                answer = self._send_once(method, path, body, headers or {})
            except HTTPError as error:
                pause = next(pauses)
                if pause is None:
                    raise CliError(f"{self.stack.api_url} does not answer: {error}.") from error
                self._sleep(self._some_of(pause))
                continue
            pause = next(pauses) if answer.status in AGAIN else None
            if pause is None:
                return answer
            self._sleep(_told_pause(answer) or self._some_of(pause))

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
        """The headers, with those that say who asks. A signature is good for five minutes."""
        if self.stack.api_auth == "jwt":
            return {**headers, "authorization": f"Bearer {self.stack.token}"}
        if self.stack.api_auth == "none":
            return dict(headers)
        from botocore.auth import SigV4Auth
        from botocore.awsrequest import AWSRequest

        # What passes through proxies is left out, for they may change it.
        request = AWSRequest(method, url, headers={}, data=body or None)
        credentials = self.stack.credentials()
        SigV4Auth(credentials, "execute-api", self.stack.need("region")).add_auth(request)
        return {**headers, **{name.lower(): value for name, value in request.headers.items()}}

    def _check_token(self) -> None:
        if not self.stack.token:
            raise CliError("The API wants a bearer token: set ZIPJOBS_TOKEN, or --token.")
        if not (self.stack.token.isascii() and self.stack.token.isprintable()):
            raise CliError("The token has characters that no token has.")
        if self.stack.api_url.startswith("http:") and not is_loopback(self.stack.api_url):
            raise CliError(
                f"{self.stack.api_url} is not https: everyone on the way could read the token."
            )

    def _some_of(self, pause: float) -> float:
        return pause * self._chance.uniform(0.5, 1.0)


def to_json(request: Mapping[str, Any]) -> bytes:
    """A request as it is sent. Raises CliError if it has characters that are none."""
    try:
        return json.dumps(request, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise CliError(f"The request is not UTF-8: {error.object[error.start]!r}.") from error


def _id(job_id: str) -> str:
    """Raises CliError if no job has such an id."""
    try:
        return str(uuid.UUID(job_id))
    except ValueError as error:
        example = "f81d4fae-7dec-41d0-a765-00a0c91e6bf6"
        raise CliError(f"{job_id!r} is no job's id. One looks like {example}.") from error


def _checked(answer: Any, *names: str) -> dict[str, Any]:
    if not isinstance(answer, dict) or not all(name in answer for name in names):
        raise CliError("The API's answer lacks what it ought to have. Is it another version's?")
    return answer


def _told_pause(answer: BaseHTTPResponse) -> float | None:
    told = answer.headers.get("retry-after", "")
    return min(float(told), MAX_PAUSE_SECONDS) if told.isdecimal() and int(told) else None


def _problem(answer: BaseHTTPResponse, stack: Stack) -> CliError:
    try:
        said = json.loads(answer.data)
    except ValueError:
        said = None
    match said:
        case {"code": str(code), "detail": str(detail)}:
            errors = said.get("errors") or ()
            return ApiError(answer.status, code, detail, [e for e in errors if isinstance(e, dict)])
        case {"message": str(message)}:  # API Gateway's own
            return _refused(answer.status, message, stack)
    return _no_api(stack, f" It answered {answer.status}.")


def _refused(status: int, message: str, stack: Stack) -> ApiError:
    """An answer of API Gateway itself, which has a message and nothing else."""
    code = http.client.responses.get(status, "unknown").upper().replace(" ", "_")
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        own = "The local stack knows the access key local, secret local; AWS_ACCESS_KEY_ID is set."
        if stack.endpoint_url and stack.api_auth == "iam":
            return ApiError(status, code, f"{message}: {own}")
        needs = {
            "iam": "The API takes AWS credentials (apiAuth is iam) of this account whose policy "
            f"allows execute-api:Invoke, for the region {stack.region}. `doctor` says whose these "
            "are.",
            "jwt": "The API takes bearer tokens (apiAuth is jwt) of its issuer and audience that "
            "have not expired.",
            "none": "The API was taken for an open one; set ZIPJOBS_API_AUTH to iam or jwt.",
        }
        return ApiError(status, code, f"{message}: {needs[stack.api_auth]}")
    return ApiError(status, code, message)


def _no_api(stack: Stack, why: str = "") -> CliError:
    return CliError(f"At {stack.api_url} is no API of this project, as its answer shows.{why}")
