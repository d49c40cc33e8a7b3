"""Gives a request to AWS the names that a fault plan goes by.

What is asked for is read as moto reads it: the service from the credential scope ("Elements of an
AWS API request signature" in the IAM User Guide), the operation from ``X-Amz-Target``, from
``Action``, or, for S3, from method, path and query as the Amazon S3 API Reference lists them.
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
"""The caller of a request that comes from no function."""

OWN_ACCESS_KEY = "EMBEDDED"
"""Signs what the embedded AWS asks of itself. Those requests are AWS's own, and never fail."""

_COPIES = "x-amz-copy-source"
_S3: tuple[tuple[str, bool, frozenset[str], str], ...] = (
    ("GET", True, frozenset({"uploadId"}), "ListParts"),
    ("GET", True, frozenset(), "GetObject"),
    ("HEAD", True, frozenset(), "HeadObject"),
    ("PUT", True, frozenset({"uploadId", _COPIES}), "UploadPartCopy"),
    ("PUT", True, frozenset({"uploadId"}), "UploadPart"),
    ("PUT", True, frozenset({_COPIES}), "CopyObject"),
    ("PUT", True, frozenset(), "PutObject"),
    ("POST", True, frozenset({"uploads"}), "CreateMultipartUpload"),
    ("POST", True, frozenset({"uploadId"}), "CompleteMultipartUpload"),
    ("DELETE", True, frozenset({"uploadId"}), "AbortMultipartUpload"),
    ("DELETE", True, frozenset(), "DeleteObject"),
    ("GET", False, frozenset({"list-type"}), "ListObjectsV2"),
    ("GET", False, frozenset({"uploads"}), "ListMultipartUploads"),
    ("POST", False, frozenset({"delete"}), "DeleteObjects"),
)
"""Method, whether there is a key, what the query or the headers must have, and the operation. The
first row that fits names the request."""

_SUBRESOURCES = frozenset({"acl", "attributes", "legal-hold", "restore", "retention", "tagging"})
"""Query parameters of an object that make operations which have no name here."""

S3_OPERATIONS = tuple(operation for *_, operation in _S3)

_SCOPE = re.compile(r"([^/=\s]+)/\d{8}/[^/]+/([^/]+)/aws4_request")

_DRAINED_AT_A_TIME = 1024 * 1024

Protocol = Literal["s3", "json", "query"]


@dataclass(frozen=True)
class AwsRequest:
    """A request to AWS.

    ``key`` is ``bucket/key`` of S3, ``table/jobId`` of DynamoDB, the name of a queue or bus, or
    empty. ``caller`` is a function's short name or ``CLIENT``; ``invocation`` counts that
    function's invocations from 1. An ``operation`` that has no name here is empty.
    """

    service: str
    operation: str
    key: str
    protocol: Protocol
    caller: str = CLIENT
    invocation: int | None = None

    def __str__(self) -> str:
        what = " ".join(part for part in (self.service, self.operation, self.key) if part)
        return f"{what} by {self.caller}"


def signer(environ: "WSGIEnvironment") -> str:
    """The access key id that a request is signed with, or nothing.

    A presigned request is its bearer's, not its signer's, and counts as unsigned.
    """
    scope = _SCOPE.search(environ.get("HTTP_AUTHORIZATION", ""))
    return scope[1] if scope else ""


def name_request(environ: "WSGIEnvironment") -> AwsRequest | None:
    """Name a request, but for its caller. None if it is to moto itself and not to AWS.

    Of S3's requests it leaves the body alone; that of others it reads and puts back.
    """
    path = environ.get("PATH_INFO", "").encode("latin-1").decode(errors="replace")
    if path.startswith("/moto-api"):
        return None
    query = parse_qs(environ.get("QUERY_STRING", ""), keep_blank_values=True)
    credential = environ.get("HTTP_AUTHORIZATION") or query.get("X-Amz-Credential", [""])[0]
    scope = _SCOPE.search(credential)
    service = scope[2] if scope else "s3"
    if service == "s3":
        bucket, _, key = path.lstrip("/").partition("/")
        operation = _s3_operation(environ, bool(key), query)
        return AwsRequest("s3", operation, f"{bucket}/{key}" if key else bucket, "s3")
    if target := environ.get("HTTP_X_AMZ_TARGET"):
        body = json.loads(_body(environ) or b"{}")
        return AwsRequest(service, target.rpartition(".")[2], _key(service, body), "json")
    if environ.get("CONTENT_TYPE", "").startswith("application/x-www-form-urlencoded"):
        query |= parse_qs(_body(environ).decode(errors="replace"))
    if action := query.get("Action"):
        return AwsRequest(service, action[0], "", "query")
    return AwsRequest(service, "", "", "json")


def drain(environ: "WSGIEnvironment") -> None:
    """Read a request's body and forget it: a client that is still sending hears no answer."""
    body = get_input_stream(environ)
    while body.read(_DRAINED_AT_A_TIME):
        pass


def _s3_operation(environ: "WSGIEnvironment", has_key: bool, query: Mapping[str, list[str]]) -> str:
    names = set(query)
    if "HTTP_X_AMZ_COPY_SOURCE" in environ:
        names.add(_COPIES)
    if has_key and names & _SUBRESOURCES:
        return ""
    for method, wants_key, marks, operation in _S3:
        if environ["REQUEST_METHOD"] == method and wants_key == has_key and marks <= names:
            return operation
    return ""


def _key(service: str, body: Mapping[str, Any]) -> str:
    """What a request in JSON is about."""
    if service == "dynamodb":
        return _item(body)
    if service == "sqs":
        return str(body.get("QueueUrl", body.get("QueueName", ""))).rpartition("/")[2]
    if service == "events":
        entries = body.get("Entries") or [{}]
        return str(entries[0].get("EventBusName", "default")).rpartition("/")[2]
    return ""


def _item(body: Mapping[str, Any]) -> str:
    """``table/jobId``, or the table alone where there are several items, or none."""
    table = body.get("TableName") or next(iter(body.get("RequestItems", {})), "")
    job_id = (body.get("Key") or body.get("Item") or {}).get("jobId", {}).get("S")
    return f"{table}/{job_id}" if job_id else str(table)


def _body(environ: "WSGIEnvironment") -> bytes:
    body: bytes = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    environ["wsgi.input"] = io.BytesIO(body)
    return body
