"""The actions that requests to S3 require.

They follow "Required permissions for Amazon S3 API operations" in the S3 User Guide.
"""

import io
from collections.abc import Container, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, unquote
from xml.etree import ElementTree

from local.aws_requests import AwsRequest, read_body
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
"""The actions of requests that name a version."""

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

_QUERY_KEYS = ("prefix", "delimiter")
_HEADER_KEYS = (
    "if-match",
    "if-none-match",
    "x-amz-server-side-encryption",
    "x-amz-server-side-encryption-aws-kms-key-id",
)
_NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"


def s3_accesses(
    request: AwsRequest, environ: "WSGIEnvironment", account: str
) -> list[Access] | None:
    """Return what a request requires, or None if its operation is not emulated.

    ``account`` owns the bucket.
    """
    query = parse_qs(environ.get("QUERY_STRING", ""), keep_blank_values=True)
    bucket, _, key = request.key.partition("/")
    if not key:
        return _bucket_accesses(request, environ, query, account)
    action = _OBJECT_ACTIONS.get(request.operation) or _subresource_action(
        _OBJECT_SUBRESOURCES, environ, query
    )
    if action is None:
        return None
    version_id = query.get("versionId", [None])[0]
    condition_keys = _condition_keys(environ, query)
    accesses = [
        _object_access(name, bucket, key, account, condition_keys, version_id)
        for name in _object_actions(request.operation, action, environ)
    ]
    if request.operation in _COPIES:
        accesses.append(_copy_source_access(environ, account))
    return accesses


def accesses_if_missing(
    request: AwsRequest, environ: "WSGIEnvironment", account: str
) -> tuple[Access, ...]:
    """Return what is required to get "not found" instead of "access denied"."""
    if request.operation not in _READS:
        return ()
    bucket = request.key.partition("/")[0]
    if request.operation in _COPIES:
        source = _copy_source_access(environ, account).resource
        bucket = source.removeprefix("arn:aws:s3:::").partition("/")[0]
    return (Access("s3:ListBucket", f"arn:aws:s3:::{bucket}", account),)


def keys_to_delete(environ: "WSGIEnvironment") -> list[tuple[str, str | None]]:
    """Return key and version ID of each object in a DeleteObjects request."""
    objects = [
        {_tag(part): part.text or "" for part in element}
        for element in _xml_body(environ)
        if _tag(element) == "Object"
    ]
    return [(parts["Key"], parts.get("VersionId")) for parts in objects]


def remove_keys(environ: "WSGIEnvironment", keys: Container[str]) -> bool:
    """Remove ``keys`` from a DeleteObjects request. Return whether any key is left."""
    root = _xml_body(environ)
    remaining = 0
    for element in [element for element in root if _tag(element) == "Object"]:
        if any(_tag(part) == "Key" and part.text in keys for part in element):
            root.remove(element)
        else:
            remaining += 1
    body = ElementTree.tostring(root, default_namespace=_NAMESPACE)
    environ["wsgi.input"], environ["CONTENT_LENGTH"] = io.BytesIO(body), str(len(body))
    return remaining > 0


def delete_access(bucket: str, key: str, version_id: str | None, account: str) -> Access:
    """Return what is required to delete one key of a DeleteObjects request."""
    return _object_access("DeleteObject", bucket, key, account, frozenset(), version_id)


def _bucket_accesses(
    request: AwsRequest,
    environ: "WSGIEnvironment",
    query: Mapping[str, list[str]],
    account: str,
) -> list[Access] | None:
    bucket = request.key
    if request.operation == "DeleteObjects":
        return [
            delete_access(bucket, key, version_id, account)
            for key, version_id in keys_to_delete(environ)
        ]
    action = _BUCKET_ACTIONS.get(request.operation)
    action = action or _subresource_action(_BUCKET_SUBRESOURCES, environ, query)
    if action is None and bucket and environ["REQUEST_METHOD"] == "HEAD":
        action = "ListBucket"
    if action is None:
        return None
    condition_keys = _condition_keys(environ, query)
    return [Access(f"s3:{action}", f"arn:aws:s3:::{bucket}", account, condition_keys)]


def _object_actions(operation: str, action: str, environ: "WSGIEnvironment") -> Iterator[str]:
    yield action
    if action == "GetObjectAttributes":
        yield "GetObject"
    if operation in _WRITES_WITH_TAGS:
        if "HTTP_X_AMZ_TAGGING" in environ:
            yield "PutObjectTagging"
        if "HTTP_X_AMZ_ACL" in environ:
            yield "PutObjectAcl"
    # "Enforce conditional deletes" and "... writes" in the S3 User Guide: comparing needs a read.
    if operation in _CONDITIONAL and environ.get("HTTP_IF_MATCH", "*") != "*":
        yield "GetObject"


def _object_access(
    action: str,
    bucket: str,
    key: str,
    account: str,
    condition_keys: frozenset[tuple[str, str]],
    version_id: str | None,
) -> Access:
    resource = f"arn:aws:s3:::{bucket}/{key}"
    if version_id is None:
        return Access(f"s3:{action}", resource, account, condition_keys)
    condition_keys |= {("s3:versionid", version_id)}
    return Access(f"s3:{_VERSIONED.get(action, action)}", resource, account, condition_keys)


def _copy_source_access(environ: "WSGIEnvironment", account: str) -> Access:
    source, _, version_id = environ["HTTP_X_AMZ_COPY_SOURCE"].partition("?versionId=")
    bucket, _, key = unquote(source).lstrip("/").partition("/")
    return _object_access("GetObject", bucket, key, account, frozenset(), version_id or None)


def _subresource_action(
    table: Mapping[tuple[str, str], str],
    environ: "WSGIEnvironment",
    query: Iterable[str],
) -> str | None:
    actions = (table.get((environ["REQUEST_METHOD"], name)) for name in query)
    return next((action for action in actions if action), None)


def _condition_keys(
    environ: "WSGIEnvironment", query: Mapping[str, list[str]]
) -> frozenset[tuple[str, str]]:
    in_query = {(f"s3:{name}", query[name][0]) for name in _QUERY_KEYS if name in query}
    headers = {name: environ.get(f"HTTP_{name.upper().replace('-', '_')}") for name in _HEADER_KEYS}
    return frozenset(in_query | {(f"s3:{name}", text) for name, text in headers.items() if text})


def _xml_body(environ: "WSGIEnvironment") -> ElementTree.Element:
    return ElementTree.fromstring(read_body(environ))  # noqa: S314  (our own functions send it)


def _tag(element: ElementTree.Element) -> str:
    return element.tag.removeprefix(f"{{{_NAMESPACE}}}")
