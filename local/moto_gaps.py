"""Patches moto where it differs from AWS. Each patch cites the documentation of AWS.

The patches of S3's uploads are in ``local/s3/uploads.py``.
"""

import itertools
import json
import logging
import re
import threading
import time
import uuid
from typing import Any

from moto.awslambda import urls as lambda_urls
from moto.core.responses import BaseResponse
from moto.core.routing import ServiceOperationRouter
from moto.dynamodb.responses import DynamoHandler
from moto.events.models import EventTemplateParser, events_backends  # type: ignore[attr-defined]
from moto.logs.responses import LogsResponse
from moto.s3 import notifications
from moto.s3.notifications import S3NotificationEvent
from moto.s3.responses import S3Response
from moto.sqs.models import Queue

from local.s3.uploads import patch_uploads

logger = logging.getLogger(__name__)

_moto_get_bucket_notification = S3Response.get_bucket_notification
_moto_set_attributes = Queue._set_attributes  # noqa: SLF001
_moto_get_router = ServiceOperationRouter._get_router  # noqa: SLF001

_moto_update_table = DynamoHandler.update_table

_routing = threading.Lock()

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

ACCOUNT_SETTINGS = "{0}/2016-08-19/account-settings/?$"

CONCURRENT_EXECUTIONS = 1000
"""The default quota of an account: "Lambda quotas" in the Developer Guide."""

_sequence = itertools.count(0x0062E99A88DC407460)


def close_gaps() -> None:
    """Patch moto in this process, before its server starts. Calling it again has no effect."""
    patch_uploads()
    notifications._send_event_bridge_message = _send_object_event  # noqa: SLF001
    S3Response.get_bucket_notification = _get_bucket_notification  # type: ignore[method-assign]
    Queue._set_attributes = _set_attributes  # type: ignore[method-assign]  # noqa: SLF001
    ServiceOperationRouter._get_router = _get_router  # type: ignore[method-assign]  # noqa: SLF001
    lambda_urls.url_paths[ACCOUNT_SETTINGS] = _get_account_settings
    DynamoHandler.update_table = _update_table  # type: ignore[method-assign]
    LogsResponse.associate_kms_key = _associate_kms_key  # type: ignore[attr-defined]
    LogsResponse.disassociate_kms_key = _disassociate_kms_key  # type: ignore[attr-defined]
    BaseResponse.access_key_regex = _ACCESS_KEY_ID
    EventTemplateParser.DEFAULT_EVENT_INPUT_TEMPLATE = _DELIVERED_EVENT


def _get_router(self: Any, protocol: str) -> Any:
    """Build the routes of one service at a time.

    Moto builds them at the first request, with ``ast.parse``. In CPython 3.11 two threads that
    parse at once can fail with "AST constructor recursion depth mismatch" (python/cpython#106905).
    """
    with _routing:
        return _moto_get_router(self, protocol)


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


def _update_table(self: Any) -> Any:
    """Change the encryption too: "UpdateTable" in the DynamoDB API Reference. Moto ignores it."""
    response = _moto_update_table(self)
    if specification := self.body.get("SSESpecification"):
        table = self.dynamodb_backend.get_table(self.body["TableName"])
        table.sse_specification = specification if specification["Enabled"] else None
    return response


def _get_account_settings(*request: Any) -> tuple[int, dict[str, str], str]:
    """Return the limits: "GetAccountSettings" in the Lambda API Reference. Moto lacks it."""
    limits = {
        "ConcurrentExecutions": CONCURRENT_EXECUTIONS,
        "UnreservedConcurrentExecutions": CONCURRENT_EXECUTIONS,
    }
    return 200, {"content-type": "application/json"}, json.dumps({"AccountLimit": limits})


def _associate_kms_key(self: Any) -> str:
    """Set the key: "AssociateKmsKey" in the CloudWatch Logs API Reference. Moto lacks it."""
    group = self.logs_backend.groups[self._get_param("logGroupName")]
    group.kms_key_id = self._get_param("kmsKeyId")
    return ""


def _disassociate_kms_key(self: Any) -> str:
    """Remove the key: "DisassociateKmsKey" in the CloudWatch Logs API Reference."""
    self.logs_backend.groups[self._get_param("logGroupName")].kms_key_id = None
    return ""


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
