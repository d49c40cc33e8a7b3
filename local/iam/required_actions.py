"""The actions, and their resources, that AWS authorizes for a request.

They follow the Service Authorization Reference. A request whose operation is not listed here is
denied.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from local.aws_requests import AwsRequest, read_body
from local.iam.evaluation import Access
from local.iam.s3_actions import accesses_if_missing, s3_accesses

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

_TABLE_OPERATIONS = frozenset(
    {"DeleteItem", "DescribeTable", "GetItem", "PutItem", "Query", "Scan", "UpdateItem"}
)
_BATCH_OPERATIONS = frozenset({"BatchGetItem", "BatchWriteItem"})
_TRANSACTION_ACTIONS = {
    "ConditionCheck": "ConditionCheckItem",
    "Delete": "DeleteItem",
    "Get": "GetItem",
    "Put": "PutItem",
    "Update": "UpdateItem",
}
_QUEUE_OPERATIONS = frozenset(
    {
        "ChangeMessageVisibility",
        "ChangeMessageVisibilityBatch",
        "DeleteMessage",
        "DeleteMessageBatch",
        "GetQueueAttributes",
        "GetQueueUrl",
        "ReceiveMessage",
        "SendMessage",
        "SendMessageBatch",
    }
)


@dataclass(frozen=True)
class Location:
    """The region and account of a request."""

    region: str
    account: str

    def arn(self, service: str, resource: str) -> str:
        return f"arn:aws:{service}:{self.region}:{self.account}:{resource}"


@dataclass(frozen=True)
class RequiredActions:
    """What a request requires: all of ``accesses``.

    ``if_missing`` is also required to learn that the resource does not exist. An operation that is
    not ``is_known`` is not emulated; a known one can require nothing.
    """

    accesses: tuple[Access, ...]
    if_missing: tuple[Access, ...] = ()
    is_known: bool = True


def required_actions(
    request: AwsRequest, environ: "WSGIEnvironment", location: Location
) -> RequiredActions:
    """Return what ``request`` requires. The body is put back for the next reader."""
    if request.service == "s3":
        accesses = s3_accesses(request, environ, location.account)
        if_missing = accesses_if_missing(request, environ, location.account)
        return RequiredActions(tuple(accesses or ()), if_missing, is_known=accesses is not None)
    if request.service == "sts":
        return RequiredActions((), is_known=request.operation == "GetCallerIdentity")
    find = _BY_SERVICE.get(request.service)
    if find is None:
        return RequiredActions((), is_known=False)
    body = json.loads(read_body(environ) or b"{}")
    found = tuple(find(request.operation, body, location))
    return RequiredActions(found, is_known=bool(found))


def _dynamodb(operation: str, body: Mapping[str, Any], location: Location) -> Iterator[Access]:
    def access(action: str, table: str, index: str | None = None) -> Access:
        arn = table if table.startswith("arn:") else location.arn("dynamodb", f"table/{table}")
        resource = f"{arn}/index/{index}" if index else arn
        return Access(f"dynamodb:{action}", resource, location.account)

    if operation in _TABLE_OPERATIONS:
        yield access(operation, body["TableName"], body.get("IndexName"))
    elif operation in _BATCH_OPERATIONS:
        yield from (access(operation, table) for table in body["RequestItems"])
    elif operation.startswith("Transact"):
        for item in body["TransactItems"]:
            for kind, request in item.items():
                yield access(_TRANSACTION_ACTIONS[kind], request["TableName"])


def _sqs(operation: str, body: Mapping[str, Any], location: Location) -> Iterator[Access]:
    if operation not in _QUEUE_OPERATIONS:
        return
    account, name = location.account, body.get("QueueName", "")
    if url := body.get("QueueUrl"):
        account, name = urlsplit(url).path.strip("/").split("/")
    queue = f"arn:aws:sqs:{location.region}:{account}:{name}"
    yield Access(f"sqs:{operation.removesuffix('Batch')}", queue, account)


def _events(operation: str, body: Mapping[str, Any], location: Location) -> Iterator[Access]:
    if operation == "PutEvents":
        for bus in {entry.get("EventBusName", "default"): None for entry in body["Entries"]}:
            arn = bus if bus.startswith("arn:") else location.arn("events", f"event-bus/{bus}")
            yield Access("events:PutEvents", arn, location.account)


def _logs(operation: str, body: Mapping[str, Any], location: Location) -> Iterator[Access]:
    if operation in ("CreateLogStream", "PutLogEvents"):
        group, stream = body["logGroupName"], body["logStreamName"]
        arn = location.arn("logs", f"log-group:{group}:log-stream:{stream}")
        yield Access(f"logs:{operation}", arn, location.account)


_BY_SERVICE = {"dynamodb": _dynamodb, "sqs": _sqs, "events": _events, "logs": _logs}
