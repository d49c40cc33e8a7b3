"""Creates the declared dashboards, alarms and topics, one method per type.

Moto stores them, so the AWS CLI can show them. The embedded AWS records no metrics, and never
evaluates an alarm.
"""

from collections.abc import Callable, Mapping
from typing import Any

from local.deployment.inputs import Created, Inputs
from local.names import ACCOUNT_ID, physical_name


class MonitoringResources:
    """``cloudwatch`` and ``sns`` are clients."""

    def __init__(self, cloudwatch: Any, sns: Any) -> None:
        self._cloudwatch = cloudwatch
        self._sns = sns
        self._region = cloudwatch.meta.region_name
        self.creators: Mapping[str, Callable[[str, Inputs], Created]] = {
            "aws:cloudwatch/dashboard:Dashboard": self._dashboard,
            "aws:cloudwatch/metricAlarm:MetricAlarm": self._alarm,
            "aws:sns/topic:Topic": self._topic,
            "aws:sns/topicPolicy:TopicPolicy": self._topic_policy,
            "aws:sns/topicSubscription:TopicSubscription": self._subscription,
        }

    def _dashboard(self, name: str, inputs: Inputs) -> Created:
        self._cloudwatch.put_dashboard(
            DashboardName=inputs["dashboardName"], DashboardBody=inputs["dashboardBody"]
        )
        return inputs["dashboardName"], {}

    def _alarm(self, name: str, inputs: Inputs) -> Created:
        alarm = physical_name(name)
        self._cloudwatch.put_metric_alarm(
            AlarmName=alarm,
            AlarmDescription=inputs["alarmDescription"],
            Metrics=[_query(query) for query in inputs["metricQueries"]],
            ComparisonOperator=inputs["comparisonOperator"],
            Threshold=inputs["threshold"],
            EvaluationPeriods=int(inputs["evaluationPeriods"]),
            DatapointsToAlarm=int(inputs["datapointsToAlarm"]),
            TreatMissingData=inputs["treatMissingData"],
            AlarmActions=inputs.get("alarmActions", []),
            OKActions=inputs.get("okActions", []),
        )
        arn = f"arn:aws:cloudwatch:{self._region}:{ACCOUNT_ID}:alarm:{alarm}"
        return alarm, {"name": alarm, "arn": arn}

    def _topic(self, name: str, inputs: Inputs) -> Created:
        topic = physical_name(name)
        key = inputs.get("kmsMasterKeyId")
        attributes = {"KmsMasterKeyId": key} if key else {}
        arn = self._sns.create_topic(Name=topic, Attributes=attributes)["TopicArn"]
        return arn, {"name": topic, "arn": arn}

    def _topic_policy(self, name: str, inputs: Inputs) -> Created:
        self._sns.set_topic_attributes(
            TopicArn=inputs["arn"], AttributeName="Policy", AttributeValue=inputs["policy"]
        )
        return inputs["arn"], {}

    def _subscription(self, name: str, inputs: Inputs) -> Created:
        arn = self._sns.subscribe(
            TopicArn=inputs["topic"],
            Protocol=inputs["protocol"],
            Endpoint=inputs["endpoint"],
            ReturnSubscriptionArn=True,
        )["SubscriptionArn"]
        return arn, {"arn": arn}


def _query(inputs: Inputs) -> dict[str, Any]:
    """Return a MetricDataQuery of the CloudWatch API."""
    query: dict[str, Any] = {"Id": inputs["id"], "ReturnData": inputs.get("returnData", False)}
    if metric := inputs.get("metric"):
        query["MetricStat"] = {
            "Metric": {
                "Namespace": metric["namespace"],
                "MetricName": metric["metricName"],
                "Dimensions": [
                    {"Name": key, "Value": value} for key, value in metric["dimensions"].items()
                ],
            },
            "Period": int(metric["period"]),
            "Stat": metric["stat"],
        }
        return query
    return query | {"Expression": inputs["expression"], "Label": inputs["label"]}
