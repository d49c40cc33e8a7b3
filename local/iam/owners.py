"""Whose buckets requests to S3 expect: "Verifying bucket ownership with bucket owner condition",
Amazon S3 User Guide. There is one account here, so whoever expects another expects somebody else.
"""

from typing import TYPE_CHECKING

from local.aws_requests import AwsRequest

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

_BUCKET = "HTTP_X_AMZ_EXPECTED_BUCKET_OWNER"
_SOURCE = "HTTP_X_AMZ_SOURCE_EXPECTED_BUCKET_OWNER"
_COPY = "HTTP_X_AMZ_COPY_SOURCE"


def expects_another(environ: "WSGIEnvironment", account: str) -> bool:
    """Whether the bucket, or the source of a copy, is to be of another account."""
    return any(environ.get(header, account) != account for header in (_BUCKET, _SOURCE))


def expects_anybody(request: AwsRequest, environ: "WSGIEnvironment") -> bool:
    """Whether a request to S3 does not say whose bucket, or source of a copy, it expects.

    A presigned one need not: it is sent by whoever has the link.
    """
    if request.service != "s3" or "HTTP_AUTHORIZATION" not in environ:
        return False
    return _BUCKET not in environ or (_COPY in environ and _SOURCE not in environ)
