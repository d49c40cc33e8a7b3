"""What CloudWatch measures of the stack: metrics by name, as its services document them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws

NAMESPACE = "S3ZipJobs"
"""Of the metrics that the functions write: ``zipjobs/lifecycle/metrics.py``."""

Dimensions = Mapping[str, pulumi.Input[str]]


@dataclass(frozen=True)
class Metric:
    """One metric, summed over each period unless ``stat`` says otherwise."""

    namespace: str
    name: str
    dimensions: Dimensions
    stat: str = "Sum"

    def row(self, **options: Any) -> list[Any]:
        """As a dashboard's widget has it: "Dashboard Body Structure and Syntax" in the CloudWatch
        API Reference.
        """
        pairs = [part for pair in self.dimensions.items() for part in pair]
        return [self.namespace, self.name, *pairs, {"stat": self.stat, **options}]

    def query(
        self, id_: str, period_seconds: int, is_watched: bool
    ) -> aws.cloudwatch.MetricAlarmMetricQueryArgs:
        """As an alarm has it, which watches the metric itself or an expression with it."""
        return aws.cloudwatch.MetricAlarmMetricQueryArgs(
            id=id_,
            return_data=is_watched,
            metric=aws.cloudwatch.MetricAlarmMetricQueryMetricArgs(
                namespace=self.namespace,
                metric_name=self.name,
                dimensions=self.dimensions,
                stat=self.stat,
                period=period_seconds,
            ),
        )


@dataclass(frozen=True)
class WatchedFunction:
    """A function: what CloudWatch calls it, and its memory, by which it is paid for."""

    name: pulumi.Input[str]
    memory_mb: int

    def metric(self, name: str, stat: str = "Sum") -> Metric:
        """See "Types of metrics for Lambda functions" in the Lambda Developer Guide."""
        return Metric("AWS/Lambda", name, {"FunctionName": self.name}, stat)


@dataclass(frozen=True)
class Watched:
    """Everything that there is to watch. ``functions`` and ``rules`` are by what they are called
    here; a rule is known by its name, and by its bus if that is one's own.
    """

    service: str
    functions: Mapping[str, WatchedFunction]
    queue: pulumi.Input[str]
    dead_letters: pulumi.Input[str]
    table: pulumi.Input[str]
    indexes: tuple[str, ...]
    api_id: pulumi.Input[str]
    rules: Mapping[str, Dimensions]

    def jobs(self, name: str, stat: str = "Sum") -> Metric:
        """A metric of jobs, which the functions write themselves."""
        return Metric(NAMESPACE, name, {"service": self.service}, stat)

    def api(self, name: str, stat: str = "Sum") -> Metric:
        """See "Monitor CloudWatch metrics for HTTP APIs" in the API Gateway Developer Guide: there
        is none of its own for requests that are refused with 429.
        """
        return Metric("AWS/ApiGateway", name, {"ApiId": self.api_id}, stat)

    def rule(self, called: str, name: str) -> Metric:
        """See "Monitoring Amazon EventBridge" in its User Guide."""
        return Metric("AWS/Events", name, self.rules[called])

    def of_table(self, name: str, index: str | None = None) -> Metric:
        """Of an index, which the table's own do not count: "DynamoDB metrics and dimensions" in its
        Developer Guide.
        """
        of_index = {} if index is None else {"GlobalSecondaryIndexName": index}
        return Metric("AWS/DynamoDB", name, {"TableName": self.table, **of_index})


def of_queue(queue: pulumi.Input[str], name: str, stat: str = "Sum") -> Metric:
    """See "Available CloudWatch metrics for Amazon SQS" in its Developer Guide."""
    return Metric("AWS/SQS", name, {"QueueName": queue}, stat)
