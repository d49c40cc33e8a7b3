"""A WSGI middleware that refuses requests as S3 does where moto serves them."""

import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from local.aws_requests import credential_scope, drain
from local.s3.keys import refuse_write_with_key
from local.s3.reads import NULL_VERSION, refuse_read
from local.s3.requests import Refusal, S3Request

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

MAX_CLOCK_SKEW = timedelta(minutes=15)

_CHECKSUM = re.compile(r"x-amz-checksum-(crc32|crc32c|crc64nvme|sha1|sha256)")
_CHECKSUM_HEADER = re.compile(_CHECKSUM.pattern.replace("-", "_"), re.IGNORECASE)
_TIME_FORMAT = "%Y%m%dT%H%M%SZ"


class S3Middleware:
    """A WSGI application in front of moto. Requests to other services pass unchanged."""

    def __init__(self, app: "WSGIApplication") -> None:
        self._app = app

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        request = S3Request.of(environ)
        if request is None:
            return self._app(environ, start_response)
        for refuse in _CHECKS:
            if refusal := refuse(request):
                drain(environ)
                headers, body = refusal.response()
                start_response(refusal.status, headers)
                return [] if request.method == "HEAD" else [body]
        _name_checksum_algorithm(request)
        _quote_if_match(request)
        _drop_null_version(request)
        return self._app(environ, start_response)


def _refuse_clock(request: S3Request) -> Refusal | None:
    """Refuse a signature whose time differs too much: versity/versitygw#1514 quotes S3's response.

    "Error responses" in the Amazon S3 API Reference: ``RequestTimeTooSkewed``.
    """
    sent = request.header("x-amz-date")
    if not re.fullmatch(r"\d{8}T\d{6}Z", sent):
        return None
    now = datetime.now(UTC)
    if abs(now - datetime.strptime(sent, _TIME_FORMAT).replace(tzinfo=UTC)) <= MAX_CLOCK_SKEW:
        return None
    return Refusal(
        "403 Forbidden",
        "RequestTimeTooSkewed",
        "The difference between the request time and the current time is too large.",
        {
            "RequestTime": sent,
            "ServerTime": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "MaxAllowedSkewMilliseconds": str(int(MAX_CLOCK_SKEW.total_seconds() * 1000)),
        },
    )


def _refuse_region(request: S3Request) -> Refusal | None:
    """Refuse a request that is signed for another region than the bucket's.

    The endpoint of the embedded AWS has no region, so the signature's region counts.
    "Request redirection" in the S3 User Guide; yanganto/s3rs#18 quotes S3's response.
    """
    scope = credential_scope(request.environ)
    region = request.bucket.region_name
    creates_bucket = request.method == "PUT" and not request.key and not request.query
    if scope is None or scope.region == region or creates_bucket or "location" in request.query:
        return None
    return Refusal(
        "301 Moved Permanently",
        "PermanentRedirect",
        "The bucket you are attempting to access must be addressed using the specified endpoint. "
        "Please send all future requests to this endpoint.",
        {"Endpoint": f"s3.{region}.amazonaws.com", "Bucket": request.bucket.name},
        {"x-amz-bucket-region": region},
    )


def _refuse_without_checksum(request: S3Request) -> Refusal | None:
    """Refuse an upload without checksum to a bucket with default retention.

    "PutObject" in the Amazon S3 API Reference (Content-MD5). A trailing checksum is not enough for
    UploadPart: Altinity/clickhouse-backup#1363. The messages are quoted in versity/versitygw#1776
    and s3tools/s3cmd#1436.
    """
    kind = {"PutObject": "Object", "UploadPart": "Part"}.get(request.operation)
    if kind is None or not request.bucket.has_default_lock:
        return None
    if request.header("content-md5") or _sent_checksum(request, with_trailer=kind == "Object"):
        return None
    return Refusal(
        "400 Bad Request",
        "InvalidRequest",
        f"Content-MD5 OR x-amz-checksum- HTTP header is required for Put {kind} requests with "
        "Object Lock parameters",
    )


_CHECKS: tuple[Callable[[S3Request], Refusal | None], ...] = (
    _refuse_clock,
    _refuse_region,
    refuse_read,
    refuse_write_with_key,
    _refuse_without_checksum,
)


def _sent_checksum(request: S3Request, *, with_trailer: bool = True) -> str:
    """Return the algorithm of the checksum in a header or trailer, or an empty string."""
    names = [name for name in request.environ if isinstance(name, str)]
    headers = (_CHECKSUM_HEADER.fullmatch(name.removeprefix("HTTP_")) for name in names)
    trailer = _CHECKSUM.fullmatch(request.header("x-amz-trailer")) if with_trailer else None
    match = next(filter(None, headers), trailer)
    return match[1].upper() if match else ""


def _name_checksum_algorithm(request: S3Request) -> None:
    """Name the algorithm of a checksum. Only SDKs send its name, and moto requires it."""
    is_upload = request.operation in ("PutObject", "UploadPart")
    if is_upload and (algorithm := _sent_checksum(request)):
        request.environ.setdefault("HTTP_X_AMZ_SDK_CHECKSUM_ALGORITHM", algorithm)


def _quote_if_match(request: S3Request) -> None:
    """Quote an ETag in If-Match. S3 accepts it without quotes; moto does not for HEAD.

    LocalStack's recording ``test_s3_get_object_preconditions``.
    """
    etag = request.header("if-match")
    if request.operation in ("GetObject", "HeadObject") and re.fullmatch(r"[0-9a-f-]+", etag):
        request.environ["HTTP_IF_MATCH"] = f'"{etag}"'


def _drop_null_version(request: S3Request) -> None:
    """Drop ``versionId=null``, which a bucket without versions accepts. Moto refuses it for HEAD.

    LocalStack's recording ``test_get_object_with_version_unversioned_bucket``.
    """
    parameters = dict(request.query)
    is_null = parameters.pop("versionId", None) == NULL_VERSION
    if is_null and request.operation == "HeadObject" and not request.bucket.versioning_status:
        request.environ["QUERY_STRING"] = urlencode(parameters)
