"""Patches moto where it differs from AWS. Each patch cites the documentation of AWS."""

import base64
import itertools
import logging
import re
import threading
import time
import uuid
import zlib
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from moto.core.responses import BaseResponse
from moto.events.models import EventTemplateParser, events_backends  # type: ignore[attr-defined]
from moto.s3 import notifications
from moto.s3.exceptions import NoSuchUpload
from moto.s3.models import S3Backend
from moto.s3.notifications import S3NotificationEvent
from moto.s3.responses import S3Response
from moto.sqs.models import Queue

logger = logging.getLogger(__name__)

_completing = threading.RLock()

_moto_upload_part = S3Backend.upload_part
_moto_complete_multipart_upload = S3Backend.complete_multipart_upload
_moto_upload_part_copy = S3Response.upload_part_copy
_moto_get_bucket_notification = S3Response.get_bucket_notification
_moto_key_response_post = S3Response._key_response_post  # noqa: SLF001
_moto_set_attributes = Queue._set_attributes  # noqa: SLF001

_EVENT_REASONS = {
    S3NotificationEvent.OBJECT_CREATED_PUT_EVENT: "PutObject",
    S3NotificationEvent.OBJECT_CREATED_POST_EVENT: "POST Object",
    S3NotificationEvent.OBJECT_CREATED_COPY_EVENT: "CopyObject",
    S3NotificationEvent.OBJECT_CREATED_COMPLETE_MULTIPART_UPLOAD_EVENT: "CompleteMultipartUpload",
}

_ACCESS_KEY_ID = re.compile(r"^AWS\S* (?:Credential=)?([^/:,\s]+)[:/]")
"""An access key ID in an Authorization header. IDs have 16 or more word characters ("AccessKey" in
the IAM API Reference). Moto finds only IDs of 20 capitals and digits. The embedded AWS also has
shorter ones."""

_DELIVERED_EVENT = EventTemplateParser.DEFAULT_EVENT_INPUT_TEMPLATE.replace(
    '{"id"', '{"account": "<account>", "id"', 1
)
"""Adds the account, which every event has ("Event structure" in the Amazon EventBridge User Guide).
Moto omits it from events that were put on a bus."""

_sequence = itertools.count(0x0062E99A88DC407460)


def close_gaps() -> None:
    """Patch moto in this process, before its server starts. Calling it again has no effect."""
    notifications._send_event_bridge_message = _send_object_event  # noqa: SLF001
    S3Response.upload_part_copy = _upload_part_copy  # type: ignore[method-assign]
    S3Backend.upload_part = _upload_part  # type: ignore[method-assign, assignment]
    S3Backend.complete_multipart_upload = _complete_multipart_upload  # type: ignore[method-assign]
    S3Response._key_response_post = _key_response_post  # type: ignore[method-assign]  # noqa: SLF001
    S3Response.get_bucket_notification = _get_bucket_notification  # type: ignore[method-assign]
    Queue._set_attributes = _set_attributes  # type: ignore[method-assign]  # noqa: SLF001
    BaseResponse.access_key_regex = _ACCESS_KEY_ID
    EventTemplateParser.DEFAULT_EVENT_INPUT_TEMPLATE = _DELIVERED_EVENT


def _send_object_event(account_id: str, bucket: Any, event_name: str, key: Any) -> None:
    """Publish an S3 event to the default bus: "Event message structure" in the S3 User Guide.

    Moto uses one ``id`` and one ``sequencer`` for all events, misspells ``etag``, gives objects of
    unversioned buckets a ``version-id``, and sends two events for a multipart upload.
    """
    if event_name not in _EVENT_REASONS:
        return
    if event_name == S3NotificationEvent.OBJECT_CREATED_PUT_EVENT and key.multipart is not None:
        return
    item: dict[str, Any] = {
        "key": key.name,
        "size": key.size,
        "etag": key.etag.strip('"'),
        "sequencer": f"{next(_sequence):020X}",
    }
    if bucket.is_versioned:
        item["version-id"] = key.version_id
    event: Any = {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": "Object Created",
        "source": "aws.s3",
        "account": account_id,
        "time": time.time(),
        "region": bucket.region_name,
        "resources": [bucket.arn],
        "detail": {
            "version": "0",
            "bucket": {"name": bucket.name},
            "object": item,
            "request-id": uuid.uuid4().hex[:16].upper(),
            "requester": account_id,
            "source-ip-address": "127.0.0.1",
            "reason": _EVENT_REASONS[S3NotificationEvent(event_name)],
        },
    }
    buses = events_backends[account_id][bucket.region_name].event_buses
    for rule in list(buses["default"].rules.values()):
        if rule.scheduled_expression:
            continue  # moto raises for a rule without a pattern
        try:
            rule.send_to_targets(event, transform_input=False)
        except Exception:
            logger.exception("Rule %s failed to deliver an event", rule.name)


def _set_attributes(self: Any, attributes: dict[str, Any], now: float | None = None) -> None:
    """Change only the given attributes: "SetQueueAttributes" in the Amazon SQS API Reference.

    Moto deletes the queue's policy unless it is given.
    """
    is_new = not hasattr(self, "_policy_json")
    _moto_set_attributes(self, attributes if is_new else {"Policy": self.policy, **attributes}, now)


def _upload_part(self: Any, bucket_name: str, multipart_id: str, *arguments: Any) -> Any:
    """Raise NoSuchUpload for a finished upload: "UploadPart" in the S3 API Reference.

    Moto raises KeyError.
    """
    if multipart_id not in self.get_bucket(bucket_name).multiparts:
        raise NoSuchUpload(multipart_id)
    return _moto_upload_part(self, bucket_name, multipart_id, *arguments)


def _complete_multipart_upload(self: Any, bucket_name: str, multipart_id: str, body: Any) -> Any:
    """Raise NoSuchUpload for a finished upload: "CompleteMultipartUpload" in the S3 API Reference.

    Moto raises KeyError, also if two requests complete the upload at the same time.
    """
    with _completing:
        if multipart_id not in self.get_bucket(bucket_name).multiparts:
            raise NoSuchUpload(multipart_id)
        return _moto_complete_multipart_upload(self, bucket_name, multipart_id, body)


def _upload_part_copy(self: Any) -> Any:
    """Check the precondition of a copy, and return the part's CRC-32.

    "UploadPartCopy" in the Amazon S3 API Reference: ``x-amz-copy-source-if-match`` is a
    precondition, and the result has ``ChecksumCRC32`` if the upload was created with CRC32. Moto
    supports neither.
    """
    source = urlsplit(self.headers["x-amz-copy-source"])
    bucket, key = unquote(source.path).lstrip("/").split("/", 1)
    version_id = parse_qs(source.query).get("versionId", [None])[0]
    item = self.backend.get_object(bucket, key, version_id=version_id)
    expected = self.headers.get("x-amz-copy-source-if-match")
    if item is not None and expected and expected.strip('"') != item.etag.strip('"'):
        return _error(412, "PreconditionFailed")
    status, headers, body = _moto_upload_part_copy(self)
    upload = self.backend.get_bucket(self.bucket_name).multiparts[self._get_param("uploadId")]
    if status == 200 and _has_crc32(upload):
        crc = _encode(zlib.crc32(upload.parts[self._get_int_param("partNumber")].value))
        text = body.decode() if isinstance(body, bytes) else body
        body = text.replace("</ETag>", f"</ETag><ChecksumCRC32>{crc}</ChecksumCRC32>", 1)
        headers["content-length"] = str(len(body))
    return status, headers, body


def _key_response_post(
    self: Any, request: Any, body: bytes, bucket_name: str, query: dict[str, Any], key_name: str
) -> Any:
    """Verify checksums and size before a multipart upload is completed.

    "CompleteMultipartUpload" in the Amazon S3 API Reference: S3 verifies the checksum of each part,
    the full-object checksum and ``x-amz-mp-object-size``. Moto verifies nothing.
    """
    upload_id = query.get("uploadId", [None])[0]
    upload = self.backend.get_bucket(bucket_name).multiparts.get(upload_id)
    if upload is not None and _has_crc32(upload):
        crc, size = 0, 0
        for number, sent in _PART_CHECKSUMS.findall(body.decode()):
            part = upload.parts.get(int(number))
            if part is None or sent != _encode(zlib.crc32(part.value)):
                return _error(400, "InvalidPart")
            crc, size = zlib.crc32(part.value, crc), size + len(part.value)
        if self.headers.get("x-amz-checksum-crc32", _encode(crc)) != _encode(crc):
            return _error(400, "BadDigest")
        if int(self.headers.get("x-amz-mp-object-size", size)) != size:
            return _error(400, "InvalidRequest")
    return _moto_key_response_post(self, request, body, bucket_name, query, key_name)


def _get_bucket_notification(self: Any) -> Any:
    """Include EventBridgeConfiguration, which moto omits.

    "GetBucketNotificationConfiguration" in the Amazon S3 API Reference.
    """
    status, headers, body = _moto_get_bucket_notification(self)
    configuration = self.backend.get_bucket_notification_configuration(self.bucket_name)
    if configuration is not None and configuration.event_bridge is not None:
        text = body.decode() if isinstance(body, bytes) else body
        tag = "NotificationConfiguration"
        text = re.sub(rf"<{tag}([^>]*)/>", rf"<{tag}\1></{tag}>", text)
        body = text.replace(f"</{tag}>", f"<EventBridgeConfiguration/></{tag}>")
        headers["content-length"] = str(len(body.encode()))
    return status, headers, body


_PART_CHECKSUMS = re.compile(
    r"<Part>(?=.*?<PartNumber>(\d+)</PartNumber>)(?=.*?<ChecksumCRC32>(.*?)</ChecksumCRC32>).*?</Part>",
    re.DOTALL,
)


def _has_crc32(upload: Any) -> bool:
    return bool(upload.metadata.get("x-amz-checksum-algorithm") == "CRC32")


def _encode(crc: int) -> str:
    return base64.b64encode(crc.to_bytes(4, "big")).decode()


def _error(status: int, code: str) -> tuple[int, dict[str, str], str]:
    body = f"<Error><Code>{code}</Code><Message>{code}</Message></Error>"
    return status, {"content-type": "application/xml", "content-length": str(len(body))}, body
