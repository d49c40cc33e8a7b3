"""The API's handlers, called like API Gateway calls them, on an empty moto server."""

import base64
import json
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from types import ModuleType
from typing import Any

import boto3
import pytest

from handlers import cancel, docs, enqueue, status
from local.faults.injector import FaultInjector
from local.server import serving_aws
from tests.support.environment import FUNCTIONS_ENVIRONMENT
from tests.support.events.http import JOB_ROUTE, http_event, route_of
from tests.support.job_table import create_job_table
from zipjobs.wiring import api as wiring
from zipjobs.wiring import lifecycle

ALICE = "arn:aws:iam::123456789012:user/alice"
BOB = "arn:aws:iam::123456789012:user/bob"

FUNCTIONS: Mapping[str, ModuleType] = {
    "POST /zip-jobs": enqueue,
    "GET /zip-jobs": status,
    f"GET {JOB_ROUTE}": status,
    f"DELETE {JOB_ROUTE}": cancel,
    "GET /docs": docs,
    "GET /openapi.json": docs,
}
CACHED = (
    *(wiring.enqueue_dependencies, wiring.status_dependencies),
    *(lifecycle.cancel_dependencies, lifecycle.finalizer),
)


@dataclass(frozen=True)
class ApiResponse:
    status: int
    headers: Mapping[str, str]
    body: Any

    @property
    def is_problem(self) -> bool:
        """True if the response is a problem document (RFC 9457)."""
        return (
            self.headers["content-type"] == "application/problem+json"
            and self.body["status"] == self.status
            and self.body["title"] == HTTPStatus(self.status).phrase
        )


class Gateway:
    """Calls the handler of a route with an event in payload format 2.0."""

    def __init__(
        self, aws: Mapping[str, Any], faults: FaultInjector, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.aws = aws
        self.faults = faults
        self._monkeypatch = monkeypatch

    def use_api_auth(self, auth: str) -> None:
        """Change the ``apiAuth`` setting of the functions."""
        self._monkeypatch.setenv("API_AUTH", auth)
        _clear_caches()

    def __call__(
        self,
        method: str,
        path: str,
        body: str | bytes | None = None,
        caller: str | None = ALICE,
        headers: Mapping[str, str] | None = None,
        authorizer: Mapping[str, Any] | None = None,
        query: Mapping[str, str] | None = None,
    ) -> ApiResponse:
        if caller is not None:
            authorizer = {"iam": {"userArn": caller}}
        event = http_event(method, path, body, headers, authorizer, query)
        response = FUNCTIONS[route_of(method, path)].handler(json.loads(json.dumps(event)), None)
        text = response["body"]
        if response["isBase64Encoded"]:
            text = base64.b64decode(text)
        found = {name.lower(): value for name, value in response["headers"].items()}
        is_json = found["content-type"].endswith("json") and "content-encoding" not in found
        return ApiResponse(response["statusCode"], found, json.loads(text) if is_json else text)

    def submit(self, caller: str | None = ALICE, **request: Any) -> str:
        """Submit a job and return its ID."""
        response = self("POST", "/zip-jobs", json.dumps(request or {"keys": ["a.pdf"]}), caller)
        assert response.status == 202, response.body
        job_id: str = response.body["jobId"]
        return job_id

    def messages(self) -> list[dict[str, Any]]:
        """Return the messages in the queue."""
        url = self.aws["queue_url"]
        response = self.aws["sqs"].receive_message(QueueUrl=url, MaxNumberOfMessages=10)
        return [json.loads(message["Body"]) for message in response.get("Messages", [])]


@pytest.fixture(scope="module")
def endpoint() -> Iterator[tuple[str, FaultInjector]]:
    faults = FaultInjector()
    services = ("s3", "dynamodb", "sqs", "events", "moto_api")
    with serving_aws(faults, services=services) as url:
        yield url, faults


@pytest.fixture
def gateway(
    endpoint: tuple[str, FaultInjector], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Gateway]:
    url, faults = endpoint
    urllib.request.urlopen(urllib.request.Request(f"{url}/moto-api/reset", method="POST")).close()
    for name, value in {**FUNCTIONS_ENVIRONMENT, "AWS_ENDPOINT_URL": url}.items():
        monkeypatch.setenv(name, value)
    aws: dict[str, Any] = {name: boto3.client(name) for name in ("s3", "sqs", "dynamodb", "events")}
    for bucket in ("src", "dst", "manifests"):
        aws["s3"].create_bucket(Bucket=bucket)
    create_job_table(aws["dynamodb"], "jobs")
    aws["events"].create_event_bus(Name="bus")
    aws["queue_url"] = aws["sqs"].create_queue(QueueName="jobs")["QueueUrl"]
    monkeypatch.setenv("QUEUE_URL", aws["queue_url"])
    _clear_caches()
    yield Gateway(aws, faults, monkeypatch)
    faults.clear()
    _clear_caches()


def _clear_caches() -> None:
    for build in CACHED:
        build.cache_clear()
