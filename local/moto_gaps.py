"""Closes gaps between moto and AWS, each with the document that says what AWS does.

``close_gaps`` patches moto in this process, before its server starts.
"""

import itertools
import logging
import time
import uuid
from typing import Any

from moto.events.models import events_backends
from moto.s3 import notifications
from moto.s3.notifications import S3NotificationEvent

logger = logging.getLogger(__name__)

_REASONS = {
    S3NotificationEvent.OBJECT_CREATED_PUT_EVENT: "PutObject",
    S3NotificationEvent.OBJECT_CREATED_POST_EVENT: "POST Object",
    S3NotificationEvent.OBJECT_CREATED_COPY_EVENT: "CopyObject",
    S3NotificationEvent.OBJECT_CREATED_COMPLETE_MULTIPART_UPLOAD_EVENT: "CompleteMultipartUpload",
}

_sequence = itertools.count(0x0062E99A88DC407460)


def close_gaps() -> None:
    """Patch moto. Doing it twice does no harm."""
    notifications._send_event_bridge_message = _send_object_event  # noqa: SLF001


def _send_object_event(account_id: str, bucket: Any, event_name: str, key: Any) -> None:
    """Publish an S3 event to the default bus, as "Event message structure" in the S3 User Guide.

    Moto sends one ``id`` and one ``sequencer`` for all events, spells ``etag`` otherwise, gives
    objects of unversioned buckets a ``version-id``, and announces a completed multipart upload
    twice.
    """
    if event_name not in _REASONS:
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
            "reason": _REASONS[S3NotificationEvent(event_name)],
        },
    }
    buses = events_backends[account_id][bucket.region_name].event_buses
    for rule in list(buses["default"].rules.values()):
        try:
            rule.send_to_targets(event, transform_input=False)
        except Exception:
            logger.exception("Rule %s could not deliver an event", rule.name)
