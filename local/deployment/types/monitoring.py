"""Creates dashboards, alarms, topics and log groups.

Moto stores them, so the AWS CLI can show them. The embedded AWS records no metrics, and never
evaluates an alarm.
"""

from collections.abc import Mapping
from typing import Any

from local.deployment.types.resource_type import Created, Inputs, ResourceType
from local.names import ACCOUNT_ID


class MonitoringResources:
    """``cloudwatch``, ``logs`` and ``sns`` are clients."""

    def __init__(self, cloudwatch: Any, logs: Any, sns: Any) -> None:
        self._cloudwatch = cloudwatch
        self._logs = logs
        self._sns = sns
        self._region = cloudwatch.meta.region_name
        self.types: Mapping[str, ResourceType] = {
            "aws:cloudwatch/dashboard:Dashboard": ResourceType.setting(
                "dashboardName",
                put=self._put_dashboard,
                delete=lambda inputs: cloudwatch.delete_dashboards(
                    DashboardNames=[inputs["dashboardName"]]
                ),
                read=lambda inputs: cloudwatch.get_dashboard(DashboardName=inputs["dashboardName"]),
            ),
            "aws:cloudwatch/metricAlarm:MetricAlarm": ResourceType(
                create=self._create_alarm,
                update=lambda name, old, new: self._put_alarm(new),
                delete=lambda name, properties: cloudwatch.delete_alarms(AlarmNames=[name]),
                read=self._read_alarm,
            ),
            "aws:cloudwatch/logGroup:LogGroup": ResourceType(
                create=self._create_log_group,
                update=self._update_log_group,
                delete=lambda name, properties: logs.delete_log_group(logGroupName=name),
                read=self._read_log_group,
            ),
            "aws:sns/topic:Topic": ResourceType(
                create=self._create_topic,
                update=self._update_topic,
                delete=lambda arn, properties: sns.delete_topic(TopicArn=arn),
                read=lambda arn, properties: sns.get_topic_attributes(TopicArn=arn),
            ),
            "aws:sns/topicPolicy:TopicPolicy": ResourceType.setting(
                "arn",
                put=lambda inputs: self._put_topic_policy(inputs["arn"], inputs["policy"]),
                delete=lambda inputs: None,  # AWS has a default policy
                read=lambda inputs: sns.get_topic_attributes(TopicArn=inputs["arn"]),
            ),
            "aws:sns/topicSubscription:TopicSubscription": ResourceType(
                create=self._subscribe,
                update=lambda arn, old, new: None,
                delete=lambda arn, properties: sns.unsubscribe(SubscriptionArn=arn),
                read=lambda arn, properties: sns.get_subscription_attributes(SubscriptionArn=arn),
            ),
        }

    def _put_dashboard(self, inputs: Inputs) -> None:
        self._cloudwatch.put_dashboard(
            DashboardName=inputs["dashboardName"], DashboardBody=inputs["dashboardBody"]
        )

    def _create_alarm(self, inputs: Inputs) -> Created:
        self._put_alarm(inputs)
        name = inputs["name"]
        return name, {"arn": f"arn:aws:cloudwatch:{self._region}:{ACCOUNT_ID}:alarm:{name}"}

    def _put_alarm(self, inputs: Inputs) -> None:
        self._cloudwatch.put_metric_alarm(
            AlarmName=inputs["name"],
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

    def _read_alarm(self, name: str, properties: Inputs) -> None:
        if not self._cloudwatch.describe_alarms(AlarmNames=[name])["MetricAlarms"]:
            raise KeyError(name)

    def _create_log_group(self, inputs: Inputs) -> Created:
        name = inputs["name"]
        key = inputs.get("kmsKeyId")
        self._logs.create_log_group(logGroupName=name, **({"kmsKeyId": key} if key else {}))
        self._retain_log(inputs)
        return name, {"arn": f"arn:aws:logs:{self._region}:{ACCOUNT_ID}:log-group:{name}"}

    def _update_log_group(self, name: str, old: Inputs, new: Inputs) -> None:
        if (key := new.get("kmsKeyId")) != old.get("kmsKeyId"):
            if key:
                self._logs.associate_kms_key(logGroupName=name, kmsKeyId=key)
            else:
                self._logs.disassociate_kms_key(logGroupName=name)
        self._retain_log(new)

    def _retain_log(self, inputs: Inputs) -> None:
        self._logs.put_retention_policy(
            logGroupName=inputs["name"], retentionInDays=int(inputs["retentionInDays"])
        )

    def _read_log_group(self, name: str, properties: Inputs) -> None:
        found = self._logs.describe_log_groups(logGroupNamePrefix=name)["logGroups"]
        if not any(group["logGroupName"] == name for group in found):
            raise KeyError(name)

    def _create_topic(self, inputs: Inputs) -> Created:
        key = inputs.get("kmsMasterKeyId")
        attributes = {"KmsMasterKeyId": key} if key else {}
        arn = self._sns.create_topic(Name=inputs["name"], Attributes=attributes)["TopicArn"]
        return arn, {"arn": arn}

    def _update_topic(self, arn: str, old: Inputs, new: Inputs) -> None:
        self._sns.set_topic_attributes(
            TopicArn=arn,
            AttributeName="KmsMasterKeyId",
            AttributeValue=new.get("kmsMasterKeyId") or "",
        )

    def _put_topic_policy(self, arn: str, policy: str) -> None:
        self._sns.set_topic_attributes(TopicArn=arn, AttributeName="Policy", AttributeValue=policy)

    def _subscribe(self, inputs: Inputs) -> Created:
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
