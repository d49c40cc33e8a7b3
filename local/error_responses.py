"""Error responses in the format of each protocol, as the services' API references define them."""

import json
import uuid
from xml.sax.saxutils import escape

from local.aws_requests import Protocol

Headers = list[tuple[str, str]]


def error_response(
    protocol: Protocol, status: int, code: str, message: str
) -> tuple[Headers, bytes]:
    """Return headers and body of an error: XML for S3 and query APIs, JSON for the others."""
    request_id = str(uuid.uuid4())
    element = f"<Code>{escape(code)}</Code><Message>{escape(message)}</Message>"
    headers = [("x-amz-request-id" if protocol == "s3" else "x-amzn-RequestId", request_id)]
    if protocol == "s3":
        content_type = "application/xml"
        text = f"<Error>{element}<RequestId>{request_id}</RequestId></Error>"
    elif protocol == "query":
        content_type, fault = "text/xml", "Receiver" if status >= 500 else "Sender"
        error = f"<Error><Type>{fault}</Type>{element}</Error>"
        text = f"<ErrorResponse>{error}<RequestId>{request_id}</RequestId></ErrorResponse>"
    else:
        content_type = "application/x-amz-json-1.0"
        text = json.dumps({"__type": f"com.amazonaws#{code}", "message": message})
        headers.append(("x-amzn-ErrorType", code))
    body = text.encode()
    return [("Content-Type", content_type), ("Content-Length", str(len(body))), *headers], body
