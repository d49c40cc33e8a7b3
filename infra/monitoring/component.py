"""What tells whether the service is well: a dashboard, and alarms that write to somebody."""

import pulumi
import pulumi_aws as aws

from infra import policies
from infra.api import HttpApi
from infra.config.settings import Settings
from infra.encryption import Key
from infra.events import CompletionBus
from infra.functions.component import Functions
from infra.monitoring.alarms import Alarm, alarms
from infra.monitoring.dashboard import dashboard
from infra.monitoring.metrics import Dimensions, Watched
from infra.queue import JobQueue
from infra.table import OWNER_INDEX, SWEEP_INDEX


class Monitoring(pulumi.ComponentResource):
    """The dashboard and the alarms; with ``alarmEmail``, a topic that they write to."""

    def __init__(
        self,
        settings: Settings,
        table: aws.dynamodb.Table,
        queue: JobQueue,
        events: CompletionBus,
        functions: Functions,
        api: HttpApi,
        key: Key,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("s3zipjobs:infra:Monitoring", f"{settings.prefix}-monitoring", None, opts)
        self._settings = settings
        self._child = pulumi.ResourceOptions(parent=self)
        watched = Watched(
            service=settings.prefix,
            functions=functions.watched,
            queue=queue.queue.name,
            dead_letters=queue.dead_letters.name,
            table=table.name,
            indexes=(SWEEP_INDEX, OWNER_INDEX),
            api_id=api.api.id,
            rules=_rules(queue, events, functions),
        )
        topic = self._topic(key) if settings.alarm_email else None
        ringing = [self._alarm(alarm, topic) for alarm in alarms(watched, settings)]
        if topic is not None:
            aws.sns.TopicPolicy(
                f"{settings.prefix}-alarms",
                arn=topic.arn,
                policy=pulumi.Output.all(topic.arn, *(one.arn for one in ringing)).apply(
                    lambda arns: policies.publish_from_alarms(arns[0], arns[1:])
                ),
                opts=self._child,
            )
        self.dashboard = aws.cloudwatch.Dashboard(
            settings.prefix,
            dashboard_name=settings.prefix,
            dashboard_body=pulumi.Output.json_dumps(
                dashboard(watched, settings, [one.arn for one in ringing])
            ),
            opts=self._child,
        )
        self.register_outputs({})

    def _topic(self, key: Key) -> aws.sns.Topic:
        """Encrypted with a customer key only: CloudWatch may not use the one AWS keeps for SNS."""
        name = f"{self._settings.prefix}-alarms"
        topic = aws.sns.Topic(name, kms_master_key_id=key, opts=self._child)
        aws.sns.TopicSubscription(
            name,
            topic=topic.arn,
            protocol="email",
            endpoint=self._settings.alarm_email,
            opts=self._child,
        )
        return topic

    def _alarm(self, alarm: Alarm, topic: aws.sns.Topic | None) -> aws.cloudwatch.MetricAlarm:
        actions = [topic.arn] if topic else []
        return aws.cloudwatch.MetricAlarm(
            f"{self._settings.prefix}-{alarm.name}",
            alarm_description=alarm.description,
            metric_queries=alarm.queries(),
            comparison_operator=alarm.comparison,
            threshold=alarm.threshold,
            evaluation_periods=alarm.periods,
            datapoints_to_alarm=alarm.datapoints,
            treat_missing_data=alarm.missing,
            alarm_actions=actions,
            ok_actions=actions,
            opts=self._child,
        )


def _rules(queue: JobQueue, events: CompletionBus, functions: Functions) -> dict[str, Dimensions]:
    """What the rules' metrics are found by: those of a bus of one's own by its name, too."""
    rules: dict[str, Dimensions] = {
        "manifests": {"RuleName": queue.manifest_rule.name},
        "reconciler": {"RuleName": functions.reconciler_rule.name},
    }
    if events.rule is not None:
        rules["completions"] = {"EventBusName": events.bus.name, "RuleName": events.rule.name}
    return rules
