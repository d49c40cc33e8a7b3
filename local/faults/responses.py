"""Errors as AWS sends them: in XML from S3 and query APIs, in JSON from the others."""

import json
import uuid
from xml.sax.saxutils import escape

from local.aws_requests import Protocol
from local.faults.rules import ErrorAnswer

MESSAGE = "Injected by the fault plan."

Headers = list[tuple[str, str]]


def error_answer(error: ErrorAnswer, protocol: Protocol) -> tuple[Headers, bytes]:
    """Headers and body of an error answer in a service's protocol."""
    request_id = str(uuid.uuid4())
    if protocol == "s3":
        body = f"<Error>{_code(error)}<RequestId>{request_id}</RequestId></Error>"
        return _answer("application/xml", body, ("x-amz-request-id", request_id))
    if protocol == "query":
        kind = "Receiver" if error.status >= 500 else "Sender"
        inner = f"<Error><Type>{kind}</Type>{_code(error)}</Error>"
        body = f"<ErrorResponse>{inner}<RequestId>{request_id}</RequestId></ErrorResponse>"
        return _answer("text/xml", body, ("x-amzn-RequestId", request_id))
    body = json.dumps({"__type": f"com.amazonaws#{error.code}", "message": MESSAGE})
    return _answer(
        "application/x-amz-json-1.0",
        body,
        ("x-amzn-RequestId", request_id),
        ("x-amzn-ErrorType", error.code),
    )


def _code(error: ErrorAnswer) -> str:
    return f"<Code>{escape(error.code)}</Code><Message>{MESSAGE}</Message>"


def _answer(content_type: str, body: str, *headers: tuple[str, str]) -> tuple[Headers, bytes]:
    data = body.encode()
    return [("Content-Type", content_type), ("Content-Length", str(len(data))), *headers], data
