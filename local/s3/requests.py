"""A request to S3 with the bucket that it names, and its refusal."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote
from xml.sax.saxutils import escape

from moto.s3.models import FakeBucket, s3_backends

from local.aws_requests import identify_request
from local.error_responses import Headers, error_response
from local.names import ACCOUNT_ID, PARTITION

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment


@dataclass(frozen=True)
class Refusal:
    """An error of S3. ``details`` are more elements of its XML, and ``headers`` more headers."""

    status: str
    code: str
    message: str
    details: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)

    def response(self) -> tuple[Headers, bytes]:
        """Return headers and body. S3 sends errors chunked, without Content-Length."""
        headers, body = error_response("s3", int(self.status[:3]), self.code, self.message)
        details = "".join(f"<{name}>{escape(text)}</{name}>" for name, text in self.details.items())
        end = b"</Message>"
        body = body.replace(end, end + details.encode(), 1)
        headers = [header for header in headers if header[0] != "Content-Length"]
        return [*headers, *self.headers.items()], body


@dataclass(frozen=True)
class S3Request:
    """A request to an existing bucket. ``key`` is empty if the request names no object."""

    operation: str
    bucket: FakeBucket
    key: str
    environ: "WSGIEnvironment" = field(repr=False)

    @classmethod
    def of(cls, environ: "WSGIEnvironment") -> "S3Request | None":
        """Return None if the request is not for S3, or its bucket does not exist."""
        request = identify_request(environ)
        if request is None or request.service != "s3":
            return None
        name, _, key = request.key.partition("/")
        bucket = find_bucket(name)
        return cls(request.operation, bucket, key, environ) if bucket else None

    @property
    def method(self) -> str:
        return str(self.environ["REQUEST_METHOD"])

    @cached_property
    def query(self) -> Mapping[str, str]:
        text = self.environ.get("QUERY_STRING", "")
        parameters = parse_qs(text, keep_blank_values=True)
        return {name: values[0] for name, values in parameters.items()}

    def header(self, name: str) -> str:
        """Return the value of a header, or an empty string."""
        return str(self.environ.get(f"HTTP_{name.upper().replace('-', '_')}", ""))


@dataclass(frozen=True)
class ObjectAddress:
    """An object that a request reads. ``customer_headers`` is the prefix of its SSE-C headers."""

    bucket: FakeBucket
    key: str
    version_id: str | None
    customer_headers: str

    @classmethod
    def read_by(cls, request: S3Request) -> "ObjectAddress | None":
        """Return the object that is read or copied, or None."""
        prefix = "x-amz-server-side-encryption-customer"
        if request.operation in ("GetObject", "HeadObject"):
            version_id = request.query.get("versionId")
            return cls(request.bucket, request.key, version_id, prefix)
        if request.operation in ("CopyObject", "UploadPartCopy"):
            path, _, version_id = request.header("x-amz-copy-source").partition("?versionId=")
            name, _, key = unquote(path).lstrip("/").partition("/")
            if bucket := find_bucket(name):
                prefix = f"x-amz-copy-source-{prefix.removeprefix('x-amz-')}"
                return cls(bucket, key, version_id or None, prefix)
        return None

    def stored(self) -> Any:
        """Return the version that moto stores: a FakeKey, a FakeDeleteMarker, or None."""
        versions = self.bucket.keys.getlist(self.key, [])
        if self.version_id is None:
            return versions[-1] if versions else None
        return next((each for each in versions if each.version_id == self.version_id), None)


def find_bucket(name: str) -> FakeBucket | None:
    """Return one of the account's buckets."""
    return s3_backends[ACCOUNT_ID][PARTITION].buckets.get(name)
