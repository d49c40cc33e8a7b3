"""The CloudWatch metrics of a stack, named as the AWS services document them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws

NAMESPACE = "S3ZipJobs"
"""The namespace of the metrics that the functions write: ``zipjobs/lifecycle/metrics.py``."""

Dimensions = Mapping[str, pulumi.Input[str]]


@dataclass(frozen=True)
class Metric:
    """One metric with its dimensions and the statistic to compute for each period."""

    namespace: str
    name: str
    dimensions: Dimensions
    stat: str = "Sum"

    def row(self, **options: Any) -> list[Any]:
        """Return the metric as a row of a dashboard widget.

        "Dashboard Body Structure and Syntax" in the CloudWatch API Reference has the format.
        """
        pairs = [part for pair in self.dimensions.items() for part in pair]
        return [self.namespace, self.name, *pairs, {"stat": self.stat, **options}]

    def query(
        self, id_: str, period_seconds: int, return_data: bool
    ) -> aws.cloudwatch.MetricAlarmMetricQueryArgs:
        """Return the metric as a query of an alarm.

        With ``return_data`` the alarm watches the metric itself, else an expression that uses it.
        """
        return aws.cloudwatch.MetricAlarmMetricQueryArgs(
            id=id_,
            return_data=return_data,
            metric=aws.cloudwatch.MetricAlarmMetricQueryMetricArgs(
                namespace=self.namespace,
                metric_name=self.name,
                dimensions=self.dimensions,
                stat=self.stat,
                period=period_seconds,
            ),
        )


@dataclass(frozen=True)
class FunctionMetrics:
    """The metrics of a function. Its memory determines what its duration costs."""

    function_name: pulumi.Input[str]
    memory_mb: int

    def metric(self, name: str, stat: str = "Sum") -> Metric:
        """See "Types of metrics for Lambda functions" in the Lambda Developer Guide."""
        return Metric("AWS/Lambda", name, {"FunctionName": self.function_name}, stat)


@dataclass(frozen=True)
class QueueMetrics:
    """The metrics of a queue."""

    queue_name: pulumi.Input[str]

    def metric(self, name: str, stat: str = "Sum") -> Metric:
        """See "Available CloudWatch metrics for Amazon SQS" in its Developer Guide."""
        return Metric("AWS/SQS", name, {"QueueName": self.queue_name}, stat)


@dataclass(frozen=True)
class StackMetrics:
    """The metrics of all resources of a stack.

    ``functions`` are by name. ``rules`` has the dimensions that identify each EventBridge rule.
    """

    service: str
    functions: Mapping[str, FunctionMetrics]
    job_queue: QueueMetrics
    dead_letters: QueueMetrics
    table_name: pulumi.Input[str]
    indexes: tuple[str, ...]
    api_id: pulumi.Input[str]
    rules: Mapping[str, Dimensions]

    def job(self, name: str, stat: str = "Sum") -> Metric:
        """Return a metric of jobs that the functions write."""
        return Metric(NAMESPACE, name, {"service": self.service}, stat)

    def api(self, name: str, stat: str = "Sum") -> Metric:
        """See "Monitor CloudWatch metrics for HTTP APIs" in the API Gateway Developer Guide.

        There is no separate metric for requests that are refused with 429.
        """
        return Metric("AWS/ApiGateway", name, {"ApiId": self.api_id}, stat)

    def rule(self, rule: str, name: str) -> Metric:
        """See "Monitoring Amazon EventBridge" in its User Guide."""
        return Metric("AWS/Events", name, self.rules[rule])

    def table(self, name: str, index: str | None = None) -> Metric:
        """Return a metric of the table, or of one of its indexes.

        The table's metrics do not include its indexes: "DynamoDB metrics and dimensions" in the
        DynamoDB Developer Guide.
        """
        of_index = {} if index is None else {"GlobalSecondaryIndexName": index}
        return Metric("AWS/DynamoDB", name, {"TableName": self.table_name, **of_index})
