"""What schemathesis is told on its way: how requests are signed, and what keys are for."""

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


class Signature(AuthBase):
    """Signature Version 4, as the API wants it."""

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        credentials = Credentials(
            os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"]
        )
        signed = AWSRequest(request.method, request.url, data=request.body)
        SigV4Auth(credentials, "execute-api", os.environ["AWS_REGION"]).add_auth(signed)
        request.headers.update(signed.headers)
        return request


schemathesis.auth.set_from_requests(Signature())  # type: ignore[attr-defined]  # not in its types


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: Any) -> None:
    """Every request has a key of its own: the same with another request is refused, rightly."""
    key = case.headers.get("idempotency-key")
    if isinstance(key, str) and re.fullmatch(r"[!-~]([ -~]{0,253}[!-~])?", key):
        case.headers["idempotency-key"] = str(uuid.uuid4())
