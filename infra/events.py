"""The event bus for completion events, and an optional queue that receives them."""

import json

import pulumi
import pulumi_aws as aws

from infra.config.settings import Settings
from infra.encryption import Key
from infra.policies import send_from_rule

EVENT_SOURCE = "s3-zip-jobs"


class CompletionBus(pulumi.ComponentResource):
    """The bus. With ``completionEventsQueue``, also a queue that receives all of its events."""

    queue_url: pulumi.Output[str] | None = None
    rule: aws.cloudwatch.EventRule | None = None

    def __init__(
        self, settings: Settings, key: Key, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("s3zipjobs:infra:CompletionBus", f"{settings.prefix}-events", None, opts)
        self._child = pulumi.ResourceOptions(parent=self)
        self.bus = aws.cloudwatch.EventBus(f"{settings.prefix}-events", opts=self._child)
        if settings.completion_events_queue:
            self.queue_url = self._add_queue(settings.prefix, key)
        self.register_outputs({})

    def _add_queue(self, prefix: str, key: Key) -> pulumi.Output[str]:
        queue = aws.sqs.Queue(
            f"{prefix}-completion-events",
            sqs_managed_sse_enabled=None if key else True,
            kms_master_key_id=key,
            opts=self._child,
        )
        self.rule = rule = aws.cloudwatch.EventRule(
            f"{prefix}-completed",
            description="A job is finished",
            event_bus_name=self.bus.name,
            event_pattern=json.dumps({"source": [EVENT_SOURCE]}),
            opts=self._child,
        )
        aws.sqs.QueuePolicy(
            f"{prefix}-completion-events-from-rule",
            queue_url=queue.url,
            policy=pulumi.Output.all(queue_arn=queue.arn, rule_arn=rule.arn).apply(
                lambda arns: send_from_rule(**arns)
            ),
            opts=self._child,
        )
        aws.cloudwatch.EventTarget(
            f"{prefix}-completed-to-queue",
            rule=rule.name,
            event_bus_name=self.bus.name,
            arn=queue.arn,
            opts=self._child,
        )
        return queue.url
