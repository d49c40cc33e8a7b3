"""Hooks of schemathesis, which sign requests and set idempotency keys."""

import os
import re
import uuid
from typing import Any

import schemathesis
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from requests import PreparedRequest
from requests.auth import AuthBase

from zipjobs.requests.fields import parse_time


class Signature(AuthBase):
    """Sign requests with Signature Version 4."""

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        credentials = Credentials(
            os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"]
        )
        signed = AWSRequest(request.method, request.url, data=request.body)
        SigV4Auth(credentials, "execute-api", os.environ["AWS_REGION"]).add_auth(signed)
        request.headers.update(signed.headers)
        return request


schemathesis.auth.set_from_requests(Signature())  # type: ignore[attr-defined]  # missing in its types


@schemathesis.hook
def filter_body(context: Any, body: Any) -> bool:
    """Leave out requests that break a rule that OpenAPI cannot express (docs/api.md)."""
    if not isinstance(body, dict):
        return True
    times = [body.get("modifiedAfter"), body.get("modifiedBefore")]
    try:
        after, before = (
            parse_time(time) if isinstance(time, str) and re.match("[0-9]{4}-", time) else None
            for time in times
        )
    except ValueError:
        return False  # a day that is not in the calendar
    if after and before and after >= before:
        return False
    smallest, largest = body.get("minBytes"), body.get("maxBytes")
    return not (isinstance(smallest, int) and isinstance(largest, int) and smallest > largest)


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: Any) -> None:
    """Use a new idempotency key for each request, because a repeated one is refused."""
    key = case.headers.get("idempotency-key")
    if isinstance(key, str) and re.fullmatch(r"[!-~]([ -~]{0,253}[!-~])?", key):
        case.headers["idempotency-key"] = str(uuid.uuid4())
