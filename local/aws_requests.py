"""Identifies requests to AWS: service, operation, resource and signer.

A request is read as moto reads it. The service comes from the credential scope ("Elements of an AWS
API request signature" in the IAM User Guide). The operation comes from ``X-Amz-Target``, from
``Action``, or, for S3, from method, path and query (Amazon S3 API Reference).
"""

import io
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import parse_qs

from werkzeug.wsgi import get_input_stream

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

CLIENT = "client"
"""The caller of a request that no function sent."""

OWN_ACCESS_KEY = "EMBEDDED"
"""Signs requests that the embedded AWS sends to itself. Faults never apply to them."""

_COPY_SOURCE = "x-amz-copy-source"
_S3: tuple[tuple[str, bool, frozenset[str], str], ...] = (
    ("GET", True, frozenset({"uploadId"}), "ListParts"),
    ("GET", True, frozenset(), "GetObject"),
    ("HEAD", True, frozenset(), "HeadObject"),
    ("PUT", True, frozenset({"uploadId", _COPY_SOURCE}), "UploadPartCopy"),
    ("PUT", True, frozenset({"uploadId"}), "UploadPart"),
    ("PUT", True, frozenset({_COPY_SOURCE}), "CopyObject"),
    ("PUT", True, frozenset(), "PutObject"),
    ("POST", True, frozenset({"uploads"}), "CreateMultipartUpload"),
    ("POST", True, frozenset({"uploadId"}), "CompleteMultipartUpload"),
    ("DELETE", True, frozenset({"uploadId"}), "AbortMultipartUpload"),
    ("DELETE", True, frozenset(), "DeleteObject"),
    ("GET", False, frozenset({"list-type"}), "ListObjectsV2"),
    ("GET", False, frozenset({"uploads"}), "ListMultipartUploads"),
    ("POST", False, frozenset({"delete"}), "DeleteObjects"),
)
"""Method, whether there is a key, required query parameters or headers, operation. The first row
that matches a request names it."""

_UNNAMED_SUBRESOURCES = frozenset(
    {"acl", "attributes", "legal-hold", "restore", "retention", "tagging"}
)
"""Query parameters of operations on objects that have no row in ``_S3``."""

S3_OPERATIONS = tuple(operation for *_, operation in _S3)

_SCOPE = re.compile(r"([^/=\s]+)/\d{8}/([^/]+)/([^/]+)/aws4_request")

_DRAIN_BYTES = 1024 * 1024

Protocol = Literal["s3", "json", "query"]


@dataclass(frozen=True)
class CredentialScope:
    """The credential scope of a signature."""

    access_key_id: str
    region: str
    service: str


@dataclass(frozen=True)
class AwsRequest:
    """A request to AWS.

    ``key`` is ``bucket/key`` for S3, ``table/jobId`` for DynamoDB, the name of a queue or bus, or
    empty. ``caller`` is a function's short name or ``CLIENT``; ``invocation`` is the number of that
    function's invocation, from 1. ``operation`` is empty if the embedded AWS has no name for it.
    """

    service: str
    operation: str
    key: str
    protocol: Protocol
    caller: str = CLIENT
    invocation: int | None = None

    def __str__(self) -> str:
        parts = " ".join(part for part in (self.service, self.operation, self.key) if part)
        return f"{parts} by {self.caller}"


def credential_scope(environ: "WSGIEnvironment") -> CredentialScope | None:
    """Return the scope of a signed or presigned request, or None."""
    credential = environ.get("HTTP_AUTHORIZATION", "")
    if not credential and "X-Amz-Credential=" in environ.get("QUERY_STRING", ""):
        credential = parse_qs(environ["QUERY_STRING"])["X-Amz-Credential"][0]
    match = _SCOPE.search(credential)
    return CredentialScope(*match.groups()) if match else None


def signer(environ: "WSGIEnvironment") -> str:
    """Return the access key ID in the Authorization header, or an empty string.

    A presigned request counts as unsigned: any client can send it.
    """
    match = _SCOPE.search(environ.get("HTTP_AUTHORIZATION", ""))
    return match[1] if match else ""


def protocol_of(environ: "WSGIEnvironment") -> Protocol:
    """Return the protocol of a request. The body is not read."""
    scope = credential_scope(environ)
    if scope is None or scope.service == "s3":
        return "s3"
    is_form = environ.get("CONTENT_TYPE", "").startswith("application/x-www-form-urlencoded")
    if "HTTP_X_AMZ_TARGET" not in environ and (
        is_form or "Action=" in environ.get("QUERY_STRING", "")
    ):
        return "query"
    return "json"


def identify_request(environ: "WSGIEnvironment") -> AwsRequest | None:
    """Identify a request, without its caller. Return None for a request to moto's own API.

    The body of a request to S3 is not read. Other bodies are read and put back.
    """
    path = environ.get("PATH_INFO", "").encode("latin-1").decode(errors="replace")
    if path.startswith("/moto-api"):
        return None
    query = parse_qs(environ.get("QUERY_STRING", ""), keep_blank_values=True)
    protocol = protocol_of(environ)
    if protocol == "s3":
        bucket, _, key = path.lstrip("/").partition("/")
        operation = _s3_operation(environ, bool(key), query)
        return AwsRequest("s3", operation, f"{bucket}/{key}" if key else bucket, "s3")
    scope = credential_scope(environ)
    assert scope is not None
    if protocol == "query":
        if "Action" not in query:
            query = parse_qs(read_body(environ).decode(errors="replace"))
        return AwsRequest(scope.service, query.get("Action", [""])[0], "", "query")
    target = environ.get("HTTP_X_AMZ_TARGET", "")
    body = json.loads(read_body(environ) or b"{}") if target else {}
    return AwsRequest(scope.service, target.rpartition(".")[2], _key(scope.service, body), "json")


def read_body(environ: "WSGIEnvironment") -> bytes:
    """Return a request's body, and put it back for the next reader."""
    body: bytes = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    environ["wsgi.input"] = io.BytesIO(body)
    return body


def drain(environ: "WSGIEnvironment") -> None:
    """Read and discard a request's body. A client that is still sending reads no response."""
    body = get_input_stream(environ)
    while body.read(_DRAIN_BYTES):
        pass


def _s3_operation(environ: "WSGIEnvironment", has_key: bool, query: Mapping[str, list[str]]) -> str:
    names = set(query)
    if "HTTP_X_AMZ_COPY_SOURCE" in environ:
        names.add(_COPY_SOURCE)
    if has_key and names & _UNNAMED_SUBRESOURCES:
        return ""
    for method, needs_key, required, operation in _S3:
        if environ["REQUEST_METHOD"] == method and needs_key == has_key and required <= names:
            return operation
    return ""


def _key(service: str, body: Mapping[str, Any]) -> str:
    """Return the resource that a JSON request names."""
    if service == "dynamodb":
        return _item(body)
    if service == "sqs":
        return str(body.get("QueueUrl", body.get("QueueName", ""))).rpartition("/")[2]
    if service == "events":
        entries = body.get("Entries") or [{}]
        return str(entries[0].get("EventBusName", "default")).rpartition("/")[2]
    return ""


def _item(body: Mapping[str, Any]) -> str:
    """Return ``table/jobId``, or only the table if the request names several items or none."""
    table = body.get("TableName") or next(iter(body.get("RequestItems", {})), "")
    job_id = (body.get("Key") or body.get("Item") or {}).get("jobId", {}).get("S")
    return f"{table}/{job_id}" if job_id else str(table)
