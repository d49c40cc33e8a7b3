"""Creates queues, event buses, rules and their targets."""

from collections.abc import Mapping
from typing import Any

from local.deployment.declarations import Declarations, DeclaredTarget, ScheduledRule
from local.deployment.types.inputs import capital
from local.deployment.types.resource_type import Created, Inputs, ResourceType
from local.errors import LocalError
from local.names import ACCOUNT_ID
from local.runtime.schedules import period_seconds

DEFAULT_BUS = "default"


class QueueResources:
    """``sqs`` and ``events`` are clients."""

    def __init__(self, sqs: Any, events: Any, declarations: Declarations) -> None:
        self._sqs = sqs
        self._events = events
        self._declared = declarations
        self._region = sqs.meta.region_name
        self.types: Mapping[str, ResourceType] = {
            "aws:sqs/queue:Queue": ResourceType(
                create=self._create_queue,
                update=self._update_queue,
                delete=lambda url, properties: sqs.delete_queue(QueueUrl=url),
                read=lambda url, properties: sqs.get_queue_attributes(QueueUrl=url),
            ),
            "aws:sqs/queuePolicy:QueuePolicy": ResourceType.setting(
                "queueUrl",
                put=lambda inputs: self._put_policy(inputs["queueUrl"], inputs["policy"]),
                delete=lambda inputs: self._put_policy(inputs["queueUrl"], ""),
                read=lambda inputs: sqs.get_queue_attributes(QueueUrl=inputs["queueUrl"]),
            ),
            "aws:cloudwatch/eventBus:EventBus": ResourceType(
                create=self._create_bus,
                update=lambda name, old, new: None,  # of tags
                delete=lambda name, properties: events.delete_event_bus(Name=name),
                read=lambda name, properties: events.describe_event_bus(Name=name),
            ),
            "aws:cloudwatch/eventRule:EventRule": ResourceType(
                create=self._create_rule,
                update=lambda name, old, new: self._put_rule(new),
                delete=self._delete_rule,
                read=lambda name, properties: events.describe_rule(
                    Name=name, EventBusName=_bus(properties)
                ),
            ),
            "aws:cloudwatch/eventTarget:EventTarget": ResourceType(
                create=self._create_target,
                update=lambda target_id, old, new: self._put_target(new),
                delete=self._delete_target,
                read=self._read_target,
            ),
        }

    def _create_queue(self, inputs: Inputs) -> Created:
        name = inputs["name"]
        url = self._sqs.create_queue(QueueName=name)["QueueUrl"]
        self._update_queue(url, {}, inputs)
        return url, {"url": url, "arn": f"arn:aws:sqs:{self._region}:{ACCOUNT_ID}:{name}"}

    def _update_queue(self, url: str, old: Inputs, new: Inputs) -> None:
        key = new.get("kmsMasterKeyId")
        attributes = {
            "MessageRetentionPeriod": str(int(new.get("messageRetentionSeconds", 345_600))),
            "VisibilityTimeout": str(int(new.get("visibilityTimeoutSeconds", 30))),
            "KmsMasterKeyId": key,
            # On by default: "Amazon SQS server-side encryption".
            "SqsManagedSseEnabled": str(new.get("sqsManagedSseEnabled", key is None)).lower(),
            "RedrivePolicy": new.get("redrivePolicy"),
        }
        if old.get("kmsMasterKeyId") and not key:
            attributes["KmsMasterKeyId"] = ""
        self._sqs.set_queue_attributes(
            QueueUrl=url,
            Attributes={name: value for name, value in attributes.items() if value is not None},
        )

    def _put_policy(self, url: str, policy: str) -> None:
        self._sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})

    def _create_bus(self, inputs: Inputs) -> Created:
        bus = self._events.create_event_bus(Name=inputs["name"])
        return inputs["name"], {"arn": bus["EventBusArn"]}

    def _create_rule(self, inputs: Inputs) -> Created:
        return inputs["name"], {"arn": self._put_rule(inputs)}

    def _put_rule(self, inputs: Inputs) -> str:
        name = inputs["name"]
        schedule = inputs.get("scheduleExpression")
        period = period_seconds(name, schedule) if schedule else None
        when = {"eventPattern", "scheduleExpression"} & inputs.keys()
        rule = self._events.put_rule(
            Name=name,
            EventBusName=_bus(inputs),
            **{capital(key): inputs[key] for key in when},
        )
        arn: str = rule["RuleArn"]
        if period:
            self._declared.scheduled_rules[name] = ScheduledRule(arn, period)
        return arn

    def _delete_rule(self, name: str, properties: Inputs) -> None:
        self._events.delete_rule(Name=name, EventBusName=_bus(properties))
        self._declared.scheduled_rules.pop(name, None)

    def _create_target(self, inputs: Inputs) -> Created:
        self._put_target(inputs)
        return inputs["targetId"], {}

    def _put_target(self, inputs: Inputs) -> None:
        target_id, rule, arn = inputs["targetId"], inputs["rule"], inputs["arn"]
        is_function, is_scheduled = ":function:" in arn, rule in self._declared.scheduled_rules
        if is_function != is_scheduled:
            raise LocalError(
                f"Target {target_id}: the embedded AWS supports functions only as targets of "
                "schedules, and nothing else as such a target."
            )
        target: dict[str, Any] = {"Id": target_id, "Arn": arn}
        if dead_letters := inputs.get("deadLetterConfig"):
            target["DeadLetterConfig"] = {"Arn": dead_letters["arn"]}
        self._events.put_targets(Rule=rule, EventBusName=_bus(inputs), Targets=[target])
        if is_scheduled:
            self._declared.scheduled_targets[target_id] = DeclaredTarget(
                rule, arn.rpartition(":")[2], inputs.get("input")
            )

    def _delete_target(self, target_id: str, properties: Inputs) -> None:
        self._events.remove_targets(
            Rule=properties["rule"], EventBusName=_bus(properties), Ids=[target_id]
        )
        self._declared.scheduled_targets.pop(target_id, None)

    def _read_target(self, target_id: str, properties: Inputs) -> None:
        targets = self._events.list_targets_by_rule(
            Rule=properties["rule"], EventBusName=_bus(properties)
        )["Targets"]
        if not any(target["Id"] == target_id for target in targets):
            raise KeyError(target_id)


def _bus(inputs: Inputs) -> str:
    name: str = inputs.get("eventBusName", DEFAULT_BUS)
    return name
