"""What requests to S3 need: "Required permissions for Amazon S3 API operations", S3 User Guide."""

import io
from collections.abc import Container, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, unquote
from xml.etree import ElementTree

from local.aws_requests import AwsRequest
from local.iam.evaluation import Access

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

_OBJECT_ACTIONS = {
    "AbortMultipartUpload": "AbortMultipartUpload",
    "CompleteMultipartUpload": "PutObject",
    "CopyObject": "PutObject",
    "CreateMultipartUpload": "PutObject",
    "DeleteObject": "DeleteObject",
    "GetObject": "GetObject",
    "HeadObject": "GetObject",
    "ListParts": "ListMultipartUploadParts",
    "PutObject": "PutObject",
    "UploadPart": "PutObject",
    "UploadPartCopy": "PutObject",
}
_OBJECT_SUBRESOURCES = {
    ("DELETE", "tagging"): "DeleteObjectTagging",
    ("GET", "acl"): "GetObjectAcl",
    ("GET", "attributes"): "GetObjectAttributes",
    ("GET", "tagging"): "GetObjectTagging",
    ("PUT", "acl"): "PutObjectAcl",
    ("PUT", "tagging"): "PutObjectTagging",
}
_VERSIONED = {
    "DeleteObject": "DeleteObjectVersion",
    "DeleteObjectTagging": "DeleteObjectVersionTagging",
    "GetObject": "GetObjectVersion",
    "GetObjectAcl": "GetObjectVersionAcl",
    "GetObjectAttributes": "GetObjectVersionAttributes",
    "GetObjectTagging": "GetObjectVersionTagging",
    "PutObjectAcl": "PutObjectVersionAcl",
    "PutObjectTagging": "PutObjectVersionTagging",
}
"""The same of a version that is asked for by its id."""

_BUCKET_ACTIONS = {
    "ListMultipartUploads": "ListBucketMultipartUploads",
    "ListObjectsV2": "ListBucket",
}
_BUCKET_SUBRESOURCES = {
    ("GET", "location"): "GetBucketLocation",
    ("GET", "versioning"): "GetBucketVersioning",
    ("GET", "versions"): "ListBucketVersions",
}
_COPIES = ("CopyObject", "UploadPartCopy")
_READS = ("GetObject", "HeadObject", *_COPIES)
_WRITES_WITH_TAGS = ("CopyObject", "CreateMultipartUpload", "PutObject")
_CONDITIONAL = ("CompleteMultipartUpload", "CopyObject", "DeleteObject", "PutObject")

_KEYS_OF_QUERY = ("prefix", "delimiter")
_KEYS_OF_HEADERS = (
    "if-match",
    "if-none-match",
    "x-amz-server-side-encryption",
    "x-amz-server-side-encryption-aws-kms-key-id",
)
_NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"


def s3_needs(request: AwsRequest, environ: "WSGIEnvironment", account: str) -> list[Access] | None:
    """What a request needs, or None if it is not played. ``account`` is the bucket's."""
    query = parse_qs(environ.get("QUERY_STRING", ""), keep_blank_values=True)
    bucket, _, key = request.key.partition("/")
    if not key:
        return _bucket_needs(request, environ, query, account)
    action = _OBJECT_ACTIONS.get(request.operation) or _subresource(
        _OBJECT_SUBRESOURCES, environ, query
    )
    if action is None:
        return None
    version_id = query.get("versionId", [None])[0]
    found = list(_object_actions(request.operation, action, environ, version_id))
    keys = _keys(environ, query)
    needed = [_object(action, bucket, key, account, keys, version_id) for action in found]
    if request.operation in _COPIES:
        needed.append(_copy_source(environ, account))
    return needed


def s3_missing(request: AwsRequest, environ: "WSGIEnvironment", account: str) -> tuple[Access, ...]:
    """What it takes to be told that an object does not exist, and not that access is denied."""
    if request.operation not in _READS:
        return ()
    bucket = request.key.partition("/")[0]
    if request.operation in _COPIES:
        bucket = _copy_source(environ, account).resource.removeprefix("arn:aws:s3:::")
        bucket = bucket.partition("/")[0]
    return (Access("s3:ListBucket", f"arn:aws:s3:::{bucket}", account),)


def keys_to_delete(environ: "WSGIEnvironment") -> list[tuple[str, str | None]]:
    """Key and version id of what a DeleteObjects is to delete. The body is read and put back."""
    found = [
        {_name(part): part.text or "" for part in element}
        for element in _body(environ).iter()
        if _name(element) == "Object"
    ]
    return [(parts["Key"], parts.get("VersionId")) for parts in found]


def without_keys(environ: "WSGIEnvironment", keys: Container[str]) -> bool:
    """Take ``keys`` out of what a DeleteObjects is to delete; whether anything is left."""
    root = _body(environ)
    kept = 0
    for element in [element for element in root if _name(element) == "Object"]:
        if any(_name(part) == "Key" and part.text in keys for part in element):
            root.remove(element)
        else:
            kept += 1
    body = ElementTree.tostring(root, default_namespace=_NAMESPACE)
    environ["wsgi.input"], environ["CONTENT_LENGTH"] = io.BytesIO(body), str(len(body))
    return kept > 0


def deletion(bucket: str, key: str, version_id: str | None, account: str) -> Access:
    """What it takes to delete one of the keys of a DeleteObjects."""
    return _object("DeleteObject", bucket, key, account, frozenset(), version_id)


def _bucket_needs(
    request: AwsRequest,
    environ: "WSGIEnvironment",
    query: Mapping[str, list[str]],
    account: str,
) -> list[Access] | None:
    bucket = request.key
    if request.operation == "DeleteObjects":
        found = keys_to_delete(environ)
        return [deletion(bucket, key, version_id, account) for key, version_id in found]
    action = _BUCKET_ACTIONS.get(request.operation)
    action = action or _subresource(_BUCKET_SUBRESOURCES, environ, query)
    if action is None and bucket and environ["REQUEST_METHOD"] == "HEAD":
        action = "ListBucket"
    if action is None:
        return None
    return [
        Access(f"s3:{action}", f"arn:aws:s3:::{bucket}", account, frozenset(_keys(environ, query)))
    ]


def _object_actions(
    operation: str, action: str, environ: "WSGIEnvironment", version_id: str | None
) -> Iterator[str]:
    yield action
    if action == "GetObjectAttributes":
        yield "GetObject"
    if operation in _WRITES_WITH_TAGS:
        if "HTTP_X_AMZ_TAGGING" in environ:
            yield "PutObjectTagging"
        if "HTTP_X_AMZ_ACL" in environ:
            yield "PutObjectAcl"
    # "Enforce conditional deletes" and "… writes" in the S3 User Guide: to compare is to read.
    if operation in _CONDITIONAL and environ.get("HTTP_IF_MATCH", "*") != "*":
        yield "GetObject"


def _object(
    action: str,
    bucket: str,
    key: str,
    account: str,
    keys: frozenset[tuple[str, str]],
    version_id: str | None,
) -> Access:
    resource = f"arn:aws:s3:::{bucket}/{key}"
    if version_id is None:
        return Access(f"s3:{action}", resource, account, keys)
    keys = keys | {("s3:versionid", version_id)}
    return Access(f"s3:{_VERSIONED.get(action, action)}", resource, account, keys)


def _copy_source(environ: "WSGIEnvironment", account: str) -> Access:
    source, _, query = environ["HTTP_X_AMZ_COPY_SOURCE"].partition("?versionId=")
    bucket, _, key = unquote(source).lstrip("/").partition("/")
    return _object("GetObject", bucket, key, account, frozenset(), query or None)


def _subresource(
    table: Mapping[tuple[str, str], str],
    environ: "WSGIEnvironment",
    query: Iterable[str],
) -> str | None:
    found = (table.get((environ["REQUEST_METHOD"], name)) for name in query)
    return next((action for action in found if action), None)


def _keys(environ: "WSGIEnvironment", query: Mapping[str, list[str]]) -> frozenset[tuple[str, str]]:
    of_query = {(f"s3:{name}", query[name][0]) for name in _KEYS_OF_QUERY if name in query}
    headers = {
        name: environ.get(f"HTTP_{name.upper().replace('-', '_')}") for name in _KEYS_OF_HEADERS
    }
    return frozenset(of_query | {(f"s3:{name}", text) for name, text in headers.items() if text})


def _body(environ: "WSGIEnvironment") -> ElementTree.Element:
    body: bytes = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    environ["wsgi.input"] = io.BytesIO(body)
    return ElementTree.fromstring(body)  # noqa: S314  (from our own functions)


def _name(element: ElementTree.Element) -> str:
    return element.tag.removeprefix(f"{{{_NAMESPACE}}}")
