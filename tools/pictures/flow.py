"""Triggers and permissions of the functions, read from the declared resources."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from tools.declared import Resource, references_in

FUNCTION = "aws:lambda/function:Function"
QUEUE = "aws:sqs/queue:Queue"
BUS = "aws:cloudwatch/eventBus:EventBus"
RULE = "aws:cloudwatch/eventRule:EventRule"
TARGET = "aws:cloudwatch/eventTarget:EventTarget"
BUCKET = "aws:s3/bucket:Bucket"
TABLE = "aws:dynamodb/table:Table"
ALARM = "aws:cloudwatch/metricAlarm:MetricAlarm"
LOG_GROUP = "aws:cloudwatch/logGroup:LogGroup"
DASHBOARD = "aws:cloudwatch/dashboard:Dashboard"
API = "aws:apigatewayv2/api:Api"
DRAWN = (FUNCTION, QUEUE, BUS, RULE, BUCKET, TABLE, API, ALARM, DASHBOARD)

READING = ("Get", "List", "Query", "BatchGet")
CONSUMING = {
    *("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"),
    "sqs:ChangeMessageVisibility",
}
"""The actions of a queue's consumer. The arrow from the queue represents them."""

VERBS = {QUEUE: "send", BUS: "publish"}


@dataclass(frozen=True)
class Function:
    """A function with its triggers: routes, a queue or a scheduled rule.

    ``access`` are the verbs that its role allows (read, write, send, publish), by resource key.
    """

    resource: Resource
    routes: tuple[str, ...]
    queue: Resource | None
    rule: Resource | None
    access: Mapping[str, tuple[str, ...]]


@dataclass
class Flow:
    """Everything that the graph shows.

    - ``rules_to``: the rules that send to a queue or function
    - ``dead_letters``: the dead-letter queue of a queue or rule
    - ``rules_from``: the rules that receive events of a bucket or bus
    - ``omitted``: how many resources of each type the graph does not show
    """

    resources: Mapping[str, Resource]
    functions: list[Function] = field(default_factory=list)
    rules_to: dict[str, list[Resource]] = field(default_factory=dict)
    dead_letters: dict[str, Resource] = field(default_factory=dict)
    rules_from: dict[str, list[Resource]] = field(default_factory=dict)
    omitted: dict[str, int] = field(default_factory=dict)

    def of(self, type_: str) -> list[Resource]:
        return [one for one in self.resources.values() if one.type == type_]


def flow(resources: Mapping[str, Resource]) -> Flow:
    """Return the flow of the declared resources."""
    found = Flow(resources)
    for one in found.of(QUEUE):
        for key in references_in(one.inputs.get("redrivePolicy")):
            found.dead_letters[one.key] = resources[key]
    for rule in found.of(RULE):
        for key in sorted(rule.references):
            found.rules_from.setdefault(key, []).append(rule)
    for target in found.of(TARGET):
        (rule,) = (resources[key] for key in references_in(target.inputs["rule"]))
        (aim,) = references_in(target.inputs["arn"])
        found.rules_to.setdefault(aim, []).append(rule)
        for key in references_in(target.inputs.get("deadLetterConfig")):
            found.dead_letters[rule.key] = resources[key]
    found.functions = sorted((_function(found, one) for one in found.of(FUNCTION)), key=_order)
    for one in resources.values():
        if one.type not in DRAWN:
            short = one.type.rpartition(":")[2]
            found.omitted[short] = found.omitted.get(short, 0) + 1
    return found


def _order(function: Function) -> tuple[int, int, str]:
    """Sort functions: API first, then queues (dead-letter queues last), then schedules."""
    if function.routes:
        return 0, 0, function.resource.name
    if function.queue is not None:
        redrives = "redrivePolicy" in function.queue.inputs
        return 1, 0 if redrives else 1, function.resource.name
    return 2, 0, function.resource.name


def _function(found: Flow, function: Resource) -> Function:
    rules = found.rules_to.get(function.key, [])
    return Function(
        resource=function,
        routes=tuple(sorted(_routes(found, function), reverse=True)),
        queue=next(_queues(found, function), None),
        rule=rules[0] if rules else None,
        access=_access(found, function),
    )


def _routes(found: Flow, function: Resource) -> Iterator[str]:
    leading = {
        one.key
        for one in found.of("aws:apigatewayv2/integration:Integration")
        if function.key in one.references
    }
    for route in found.of("aws:apigatewayv2/route:Route"):
        if route.references & leading:
            yield route.inputs["routeKey"]


def _queues(found: Flow, function: Resource) -> Iterator[Resource]:
    for mapping in found.of("aws:lambda/eventSourceMapping:EventSourceMapping"):
        if function.key in references_in(mapping.inputs["functionName"]):
            (queue,) = references_in(mapping.inputs["eventSourceArn"])
            yield found.resources[queue]


def _access(found: Flow, function: Resource) -> dict[str, tuple[str, ...]]:
    (role,) = references_in(function.inputs["role"])
    verbs: dict[str, set[str]] = {}
    for policy in found.of("aws:iam/rolePolicy:RolePolicy"):
        if role not in references_in(policy.inputs["role"]):
            continue
        for statement in json.loads(policy.inputs["policy"])["Statement"]:
            for key in references_in(statement["Resource"]):
                store = found.resources[key]
                verbs.setdefault(key, set()).update(_verbs(store, statement["Action"]))
    return {key: tuple(sorted(verbs[key])) for key in sorted(verbs) if verbs[key]}


def _verbs(store: Resource, actions: list[str]) -> Iterator[str]:
    if store.type == LOG_GROUP:
        return
    for action in set(actions) - CONSUMING:
        reads = action.partition(":")[2].startswith(READING)
        yield VERBS.get(store.type, "read" if reads else "write")
