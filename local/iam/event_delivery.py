"""Makes moto's EventBridge respect the policies of the queues that it sends to."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from moto.events.models import Rule
from moto.iam.access_control import PermissionResult
from moto.s3.models import FakeBucket
from moto.sqs.models import sqs_backends

from local.iam.evaluation import Access, Principal
from local.iam.permissions import Permissions

EVENT_BRIDGE = Principal("events.amazonaws.com")


@contextmanager
def enforced_queue_policies(permissions: Permissions) -> Iterator[None]:
    """Enforce queue policies on EventBridge while the block runs. Moto checks no queue policy.

    An event that may not be sent to its target goes to the target's dead-letter queue, if it may be
    sent there: "Using dead-letter queues" in the EventBridge User Guide. Moto's own check of bucket
    policies is disabled, because it ignores conditions and so denies too much.
    """
    moto_send, moto_permission = Rule._send_to_sqs_queue, FakeBucket.get_permission  # noqa: SLF001

    def send(self: Rule, name: str, event: dict[str, Any], group_id: str | None = None) -> None:
        target = next(t for t in self.targets if t["Arn"].endswith(f":{name}"))
        if _may_send(permissions, self, target["Arn"]):
            moto_send(self, name, event, group_id)
            return
        dead_letters = target.get("DeadLetterConfig", {}).get("Arn")
        if dead_letters and _may_send(permissions, self, dead_letters):
            _send_to_dead_letters(self, target["Arn"], dead_letters, event)

    Rule._send_to_sqs_queue = send  # type: ignore[method-assign, assignment]  # noqa: SLF001
    FakeBucket.get_permission = _neutral  # type: ignore[method-assign]
    try:
        yield
    finally:
        Rule._send_to_sqs_queue = moto_send  # type: ignore[method-assign]  # noqa: SLF001
        FakeBucket.get_permission = moto_permission  # type: ignore[method-assign]


def _may_send(permissions: Permissions, rule: Rule, queue_arn: str) -> bool:
    access = Access.on_behalf_of(rule.arn, "sqs:SendMessage", queue_arn, permissions.account)
    return permissions.is_allowed(EVENT_BRIDGE, "delivers an event", access)


def _send_to_dead_letters(
    rule: Rule, target_arn: str, dead_letters: str, event: dict[str, Any]
) -> None:
    """Put an event on a dead-letter queue, with the attributes that EventBridge documents."""
    if not isinstance(event["time"], str):  # moto formats the time only when it sends
        event["time"] = datetime.fromtimestamp(event["time"], UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    attributes = {
        "RULE_ARN": rule.arn,
        "TARGET_ARN": target_arn,
        "ERROR_CODE": "NO_PERMISSIONS",
    }
    _, _, _, region, account, name = dead_letters.split(":", 5)
    sqs_backends[account][region].send_message(
        queue_name=name,
        message_body=json.dumps(event),
        message_attributes={
            key: {"DataType": "String", "StringValue": text} for key, text in attributes.items()
        },
    )


def _neutral(self: Any, action: str, resource: str) -> Any:
    return PermissionResult.NEUTRAL
