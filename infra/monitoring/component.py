"""The alarms, the dashboard, and the topic that sends email."""

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
from infra.monitoring.metrics import Dimensions, QueueMetrics, StackMetrics
from infra.queues import JobQueues
from infra.table import OWNER_INDEX, UNFINISHED_INDEX


class Monitoring(pulumi.ComponentResource):
    """The dashboard and the alarms. With ``alarmEmail``, also a topic that sends the alarms."""

    def __init__(
        self,
        settings: Settings,
        table: aws.dynamodb.Table,
        queue: JobQueues,
        events: CompletionBus,
        functions: Functions,
        api: HttpApi,
        key: Key,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("s3zipjobs:infra:Monitoring", f"{settings.prefix}-monitoring", None, opts)
        self._settings = settings
        self._child = pulumi.ResourceOptions(parent=self)
        metrics = StackMetrics(
            service=settings.prefix,
            functions=functions.metrics,
            job_queue=QueueMetrics(queue.queue.name),
            dead_letters=QueueMetrics(queue.dead_letters.name),
            table_name=table.name,
            indexes=(UNFINISHED_INDEX, OWNER_INDEX),
            api_id=api.api.id,
            rules=_rules(queue, events, functions),
        )
        topic = self._topic(key) if settings.alarm_email else None
        created = [self._alarm(alarm, topic) for alarm in alarms(metrics, settings)]
        if topic is not None:
            aws.sns.TopicPolicy(
                f"{settings.prefix}-alarms",
                arn=topic.arn,
                policy=pulumi.Output.all(
                    topic_arn=topic.arn, alarm_arns=[alarm.arn for alarm in created]
                ).apply(lambda arns: policies.publish_from_alarms(**arns)),
                opts=self._child,
            )
        self.dashboard = aws.cloudwatch.Dashboard(
            settings.prefix,
            dashboard_name=settings.prefix,
            dashboard_body=pulumi.Output.json_dumps(
                dashboard(metrics, settings, [alarm.arn for alarm in created])
            ),
            opts=self._child,
        )
        self.register_outputs({})

    def _topic(self, key: Key) -> aws.sns.Topic:
        """Create the topic and its subscription.

        Only a customer key encrypts it: CloudWatch cannot use the AWS managed key for SNS.
        """
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


def _rules(queue: JobQueues, events: CompletionBus, functions: Functions) -> dict[str, Dimensions]:
    """Return the dimensions of each rule. A rule on a custom bus has the bus name too."""
    rules: dict[str, Dimensions] = {
        "manifests": {"RuleName": queue.manifest_rule.name},
        "reconciler": {"RuleName": functions.reconciler_rule.name},
    }
    if events.rule is not None:
        rules["completions"] = {"EventBusName": events.bus.name, "RuleName": events.rule.name}
    return rules
