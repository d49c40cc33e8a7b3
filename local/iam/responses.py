"""Denials as the services word them."""

import json
import uuid
from xml.sax.saxutils import escape

from local.aws_requests import AwsRequest

Headers = list[tuple[str, str]]


def denied_answer(request: AwsRequest, text: str) -> tuple[str, Headers, bytes]:
    """Status, headers and body with which a service denies a request.

    "Error responses" in the API references of S3, DynamoDB, SQS and EventBridge.
    """
    request_id = str(uuid.uuid4())
    if request.protocol == "s3":
        body = (
            f"<Error><Code>AccessDenied</Code><Message>{escape(text)}</Message>"
            f"<RequestId>{request_id}</RequestId></Error>"
        )
        return "403 Forbidden", _headers("application/xml", body, request_id), body.encode()
    if request.protocol == "query":
        error = f"<Type>Sender</Type><Code>AccessDenied</Code><Message>{escape(text)}</Message>"
        identified = f"<Error>{error}</Error><RequestId>{request_id}</RequestId>"
        body = f"<ErrorResponse>{identified}</ErrorResponse>"
        return "403 Forbidden", _headers("text/xml", body, request_id), body.encode()
    body = json.dumps({"__type": "com.amazon.coral.service#AccessDeniedException", "message": text})
    headers = _headers("application/x-amz-json-1.0", body, request_id)
    if request.service == "sqs":
        # SQS once spoke the query protocol, and clients still go by the code that it had there.
        headers.append(("x-amzn-query-error", "AccessDenied;Sender"))
        return "403 Forbidden", headers, body.encode()
    return "400 Bad Request", headers, body.encode()


def undeleted(errors: dict[str, str]) -> str:
    """The elements of a DeleteObjects' answer that name what was denied: a text by key."""
    return "".join(
        f"<Error><Key>{escape(key)}</Key><Code>AccessDenied</Code>"
        f"<Message>{escape(text)}</Message></Error>"
        for key, text in errors.items()
    )


def _headers(content_type: str, body: str, request_id: str) -> Headers:
    return [
        ("Content-Type", content_type),
        ("Content-Length", str(len(body.encode()))),
        ("x-amz-request-id", request_id),
        ("x-amzn-RequestId", request_id),
    ]
