"""The job queue, its dead-letter queue, and the rule that sends uploaded manifests to it."""

import json

import pulumi
import pulumi_aws as aws

from infra.config.settings import DAY_SECONDS, Settings
from infra.config.size_limits import fitting_pattern
from infra.encryption import Key
from infra.policies import send_from_rule

RETENTION_SECONDS = 14 * DAY_SECONDS
"""The longest retention that SQS offers."""

DEAD_LETTER_TIMEOUT_SECONDS = 60


class JobQueues(pulumi.ComponentResource):
    """The queue, the dead-letter queue, and the EventBridge rule with the queue as its target."""

    def __init__(
        self,
        settings: Settings,
        manifest_bucket: pulumi.Output[str],
        key: Key,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("s3zipjobs:infra:JobQueues", f"{settings.prefix}-queue", None, opts)
        child = pulumi.ResourceOptions(parent=self)
        self.dead_letters = aws.sqs.Queue(
            f"{settings.prefix}-dead-letters",
            message_retention_seconds=RETENTION_SECONDS,
            sqs_managed_sse_enabled=None if key else True,
            kms_master_key_id=key,
            visibility_timeout_seconds=DEAD_LETTER_TIMEOUT_SECONDS,
            opts=child,
        )
        self.queue = aws.sqs.Queue(
            f"{settings.prefix}-jobs",
            message_retention_seconds=RETENTION_SECONDS,
            sqs_managed_sse_enabled=None if key else True,
            kms_master_key_id=key,
            # After a crash the message stays invisible for this long. So it is the shortest
            # that Lambda accepts: the function's timeout.
            visibility_timeout_seconds=settings.zipper_timeout_seconds,
            redrive_policy=self.dead_letters.arn.apply(
                lambda arn: json.dumps(
                    {"deadLetterTargetArn": arn, "maxReceiveCount": settings.max_receive_count}
                )
            ),
            opts=child,
        )
        self.manifest_rule = aws.cloudwatch.EventRule(
            f"{settings.prefix}-manifest-uploads",
            description="A manifest was uploaded",
            event_pattern=manifest_bucket.apply(
                lambda bucket: fitting_pattern(
                    settings, manifest_pattern(bucket, settings.manifest_prefix)
                )
            ),
            opts=child,
        )
        for name, queue in (("jobs", self.queue), ("dead-letters", self.dead_letters)):
            aws.sqs.QueuePolicy(
                f"{settings.prefix}-{name}-from-rule",
                queue_url=queue.url,
                policy=pulumi.Output.all(
                    queue_arn=queue.arn, rule_arn=self.manifest_rule.arn
                ).apply(lambda arns: send_from_rule(**arns)),
                opts=child,
            )
        aws.cloudwatch.EventTarget(
            f"{settings.prefix}-manifest-to-queue",
            rule=self.manifest_rule.name,
            arn=self.queue.arn,
            dead_letter_config={"arn": self.dead_letters.arn},
            opts=child,
        )
        self.register_outputs({})


def manifest_pattern(bucket: str, prefix: str) -> str:
    """Return an event pattern that matches S3's event about a new ``.json`` object in ``prefix``.

    It does not escape non-ASCII characters, which would take six characters each.
    """
    literal = prefix.replace("\\", "\\\\").replace("*", "\\*")
    return json.dumps(
        {
            "source": ["aws.s3"],
            "detail-type": ["Object Created"],
            "detail": {
                "bucket": {"name": [bucket]},
                "object": {"key": [{"wildcard": f"{literal}*.json"}]},
            },
        },
        ensure_ascii=False,
    )
