"""What a request needs: the actions that AWS authorises for it, and on which resources.

By the Service Authorization Reference. An operation that is not here needs what nobody has.
"""

import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from local.aws_requests import AwsRequest
from local.iam.evaluation import Access
from local.iam.s3_actions import s3_missing, s3_needs

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

_TABLE_OPERATIONS = frozenset(
    {"DeleteItem", "DescribeTable", "GetItem", "PutItem", "Query", "Scan", "UpdateItem"}
)
_BATCHES = frozenset({"BatchGetItem", "BatchWriteItem"})
_TRANSACTED = {
    "ConditionCheck": "ConditionCheckItem",
    "Delete": "DeleteItem",
    "Get": "GetItem",
    "Put": "PutItem",
    "Update": "UpdateItem",
}
_QUEUE_ACTIONS = {
    "ChangeMessageVisibility": "ChangeMessageVisibility",
    "ChangeMessageVisibilityBatch": "ChangeMessageVisibility",
    "DeleteMessage": "DeleteMessage",
    "DeleteMessageBatch": "DeleteMessage",
    "GetQueueAttributes": "GetQueueAttributes",
    "GetQueueUrl": "GetQueueUrl",
    "ReceiveMessage": "ReceiveMessage",
    "SendMessage": "SendMessage",
    "SendMessageBatch": "SendMessage",
}


@dataclass(frozen=True)
class Place:
    """Where a request goes. It prefixes names to ARNs."""

    region: str
    account: str

    def arn(self, service: str, rest: str) -> str:
        return f"arn:aws:{service}:{self.region}:{self.account}:{rest}"


@dataclass(frozen=True)
class Needs:
    """All of ``accesses`` are needed. ``is_known`` tells an operation that needs nothing from
    one that is not played.

    ``if_missing`` are needed to learn that what is asked for does not exist.
    """

    accesses: tuple[Access, ...]
    if_missing: tuple[Access, ...] = ()
    is_known: bool = True


def needs_of(request: AwsRequest, environ: "WSGIEnvironment", place: Place) -> Needs:
    """What ``request`` needs. Bodies in JSON are read and put back."""
    if request.service == "s3":
        needed = s3_needs(request, environ, place.account)
        missing = s3_missing(request, environ, place.account)
        return Needs(tuple(needed or ()), missing, is_known=needed is not None)
    if request.service == "sts":
        return Needs((), is_known=request.operation == "GetCallerIdentity")
    find = _BY_SERVICE.get(request.service)
    body = _json_body(environ) if find else {}
    accesses = tuple(find(request.operation, body, place)) if find else ()
    return Needs(accesses, is_known=bool(accesses))


def _dynamodb(operation: str, body: Mapping[str, Any], place: Place) -> Iterator[Access]:
    def access(action: str, table: str, index: str | None = None) -> Access:
        arn = table if table.startswith("arn:") else place.arn("dynamodb", f"table/{table}")
        resource = f"{arn}/index/{index}" if index else arn
        return Access(f"dynamodb:{action}", resource, place.account)

    if operation in _TABLE_OPERATIONS:
        yield access(operation, body["TableName"], body.get("IndexName"))
    elif operation in _BATCHES:
        yield from (access(operation, table) for table in body["RequestItems"])
    elif operation.startswith("Transact"):
        for item in body["TransactItems"]:
            for kind, request in item.items():
                yield access(_TRANSACTED[kind], request["TableName"])


def _sqs(operation: str, body: Mapping[str, Any], place: Place) -> Iterator[Access]:
    action = _QUEUE_ACTIONS.get(operation)
    if action is None:
        return
    account, name = place.account, body.get("QueueName", "")
    if url := body.get("QueueUrl"):
        account, name = urlsplit(url).path.strip("/").split("/")
    yield Access(f"sqs:{action}", f"arn:aws:sqs:{place.region}:{account}:{name}", account)


def _events(operation: str, body: Mapping[str, Any], place: Place) -> Iterator[Access]:
    if operation == "PutEvents":
        for bus in {entry.get("EventBusName", "default"): None for entry in body["Entries"]}:
            arn = bus if bus.startswith("arn:") else place.arn("events", f"event-bus/{bus}")
            yield Access("events:PutEvents", arn, place.account)


def _logs(operation: str, body: Mapping[str, Any], place: Place) -> Iterator[Access]:
    if operation in ("CreateLogStream", "PutLogEvents"):
        group, stream = body["logGroupName"], body["logStreamName"]
        arn = place.arn("logs", f"log-group:{group}:log-stream:{stream}")
        yield Access(f"logs:{operation}", arn, place.account)


_BY_SERVICE = {"dynamodb": _dynamodb, "sqs": _sqs, "events": _events, "logs": _logs}


def _json_body(environ: "WSGIEnvironment") -> Mapping[str, Any]:
    body: bytes = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    environ["wsgi.input"] = io.BytesIO(body)
    content: Mapping[str, Any] = json.loads(body or b"{}")
    return content
