"""What schemathesis is told on its way: how requests are signed."""

import os

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


schemathesis.auth.set_from_requests(Signature())
