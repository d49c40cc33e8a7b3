"""Both forms of each recipe in ``docs/events.md`` create the same, and match the right events."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pulumi
import pytest
from moto.events import models as moto_events
from moto.server import ThreadedMotoServer

from tests.docs.recipes import PAGE, remove_rule, run_pulumi, run_shell
from tools.asyncapi import example
from zipjobs.jobs.job import FINAL_STATUSES, Status

BUS = "the-bus"
MAIL = "ann@example.org"
WEBHOOK = "https://hooks.example.org/services/1"
RULE = "aws:cloudwatch/eventRule:EventRule"
TARGET = "aws:cloudwatch/eventTarget:EventTarget"

OTHER_EVENT = {"source": "aws.s3", "detail-type": "Object Created", "detail": {}}


class Declared(pulumi.runtime.Mocks):
    """Records the resources that a recipe declares, by type."""

    def __init__(self) -> None:
        self.resources: dict[str, list[dict[str, Any]]] = {}

    def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str, dict[str, Any]]:
        self.resources.setdefault(args.typ, []).append(args.inputs)
        arn = f"arn:{args.typ}:{args.name}"
        return args.name, {"name": args.name, "arn": arn, "url": args.name, **args.inputs}

    def call(self, args: pulumi.runtime.MockCallArgs) -> tuple[dict[str, Any], None]:
        raise AssertionError(args.token)

    def one(self, typ: str) -> dict[str, Any]:
        (resource,) = self.resources[typ]
        return resource


def declared(name: str) -> Declared:
    values = {"eventBusName": BUS, "mail": MAIL, "webhook": WEBHOOK}
    provider = Declared()
    run_pulumi(name, values, provider)
    return provider


@pytest.fixture
def client() -> Iterator[Callable[[str], Any]]:
    """Return a function that creates clients of a moto server.

    All moto servers of a process share their state, so the fixture deletes the resources of a test.
    """
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()

    def client(service: str) -> Any:
        return boto3.client(  # type: ignore[call-overload]
            service,
            endpoint_url=f"http://{host}:{port}",
            region_name="us-east-1",
            aws_access_key_id="local",
            aws_secret_access_key="local",
        )

    events = client("events")
    events.create_event_bus(Name=BUS)
    yield client
    for rule in events.list_rules(EventBusName=BUS)["Rules"]:
        remove_rule(events, rule["Name"], BUS)
    events.delete_event_bus(Name=BUS)
    server.stop()


def rule_and_target(client: Callable[[str], Any]) -> tuple[Any, Any]:
    """Return the pattern of the only rule, and its only target."""
    events = client("events")
    (rule,) = events.list_rules(EventBusName=BUS)["Rules"]
    (target,) = events.list_targets_by_rule(Rule=rule["Name"], EventBusName=BUS)["Targets"]
    return json.loads(rule["EventPattern"]), target


def endpoint(client: Callable[[str], Any]) -> str:
    url: str = client("events").meta.endpoint_url
    return url


# Both forms


def test_both_forms_of_the_mail_recipe_are_equal(client: Callable[[str], Any]) -> None:
    run_shell("mail", {"BUS": BUS, "MAIL": MAIL}, endpoint(client))
    pattern, target = rule_and_target(client)
    by_pulumi = declared("mail")
    rule, pulumi_target = by_pulumi.one(RULE), by_pulumi.one(TARGET)
    assert json.loads(rule["eventPattern"]) == pattern
    assert rule["eventBusName"] == pulumi_target["eventBusName"] == BUS
    assert as_api(pulumi_target["inputTransformer"]) == target["InputTransformer"]
    assert "RoleArn" not in target

    sns = client("sns")
    (subscription,) = sns.list_subscriptions_by_topic(TopicArn=target["Arn"])["Subscriptions"]
    declared_subscription = by_pulumi.one("aws:sns/topicSubscription:TopicSubscription")
    assert (subscription["Protocol"], subscription["Endpoint"]) == ("email", MAIL)
    assert (declared_subscription["protocol"], declared_subscription["endpoint"]) == ("email", MAIL)
    policy = json.loads(sns.get_topic_attributes(TopicArn=target["Arn"])["Attributes"]["Policy"])
    declared_policy = by_pulumi.one("aws:sns/topicPolicy:TopicPolicy")["policy"]
    assert policy["Statement"][0]["Resource"] == target["Arn"]
    assert without_resource(policy) == without_resource(json.loads(declared_policy))


def test_both_forms_of_the_webhook_recipe_are_equal(client: Callable[[str], Any]) -> None:
    run_shell("webhook", {"BUS": BUS, "WEBHOOK": WEBHOOK}, endpoint(client))
    pattern, target = rule_and_target(client)
    by_pulumi = declared("webhook")
    pulumi_target = by_pulumi.one(TARGET)
    assert json.loads(by_pulumi.one(RULE)["eventPattern"]) == pattern
    assert as_api(pulumi_target["inputTransformer"]) == target["InputTransformer"]

    found = client("events").describe_api_destination(Name="zip-jobs-webhook")
    made = by_pulumi.one("aws:cloudwatch/eventApiDestination:EventApiDestination")
    assert target["Arn"] == found["ApiDestinationArn"]
    assert found["InvocationEndpoint"] == plain(made["invocationEndpoint"]) == WEBHOOK
    assert found["HttpMethod"] == made["httpMethod"] == "POST"
    assert found["InvocationRateLimitPerSecond"] == made["invocationRateLimitPerSecond"] == 1
    connection = client("events").describe_connection(Name="zip-jobs-webhook")
    declared_connection = by_pulumi.one("aws:cloudwatch/eventConnection:EventConnection")
    assert connection["AuthorizationType"] == declared_connection["authorizationType"] == "API_KEY"

    iam = client("iam")
    role = iam.get_role(RoleName="zip-jobs-webhook")["Role"]
    assert target["RoleArn"] == role["Arn"]
    trust = json.loads(by_pulumi.one("aws:iam/role:Role")["assumeRolePolicy"])
    assert role["AssumeRolePolicyDocument"] == trust
    policy = iam.get_role_policy(RoleName="zip-jobs-webhook", PolicyName="webhook")
    declared_policy = by_pulumi.one("aws:iam/rolePolicy:RolePolicy")["policy"]
    assert policy["PolicyDocument"]["Statement"][0]["Resource"] == found["ApiDestinationArn"]
    assert without_resource(policy["PolicyDocument"]) == without_resource(
        json.loads(declared_policy)
    )


def as_api(transformer: Any) -> Any:
    """Return Pulumi's input transformer with the field names of EventBridge's API."""
    return {
        "InputPathsMap": transformer["inputPaths"],
        "InputTemplate": transformer["inputTemplate"],
    }


def plain(value: Any) -> Any:
    """Return the value of an input that can be a secret."""
    return value["value"] if isinstance(value, dict) else value


def without_resource(policy: Any) -> Any:
    """Return a policy's statements without their resources."""
    return [{k: v for k, v in one.items() if k != "Resource"} for one in policy["Statement"]]


# Patterns and transformers


@pytest.mark.parametrize(
    ("name", "statuses"),
    [("mail", {Status.FAILED}), ("webhook", FINAL_STATUSES), ("queue", FINAL_STATUSES)],
)
def test_a_rule_matches_the_intended_events(name: str, statuses: set[Status]) -> None:
    pattern = json.loads(declared(name).one(RULE)["eventPattern"])
    assert {status for status in FINAL_STATUSES if matches(pattern, example(status))} == statuses
    assert not matches(pattern, OTHER_EVENT)


READY, FAILED = example(Status.READY), example(Status.FAILED)


def with_detail(event: Any, **changes: Any) -> Any:
    return {**event, "detail": {**event["detail"], **changes}}


@pytest.mark.parametrize(
    ("extra", "match", "other"),
    [
        ('"detail-type": ["Zip Job Failed"]', FAILED, READY),
        ('"detail": {"trigger": ["manifest"]}', READY, with_detail(READY, trigger="api")),
        (
            '"detail": {"error": {"code": ["SOURCE_NOT_FOUND"]}}',
            with_detail(FAILED, error={"code": "SOURCE_NOT_FOUND"}),
            FAILED,
        ),
    ],
)
def test_the_extra_patterns_select_fewer_events(extra: str, match: Any, other: Any) -> None:
    assert extra in PAGE.read_text()
    pattern = json.loads(f'{{"source": ["s3-zip-jobs"], {extra}}}')
    assert matches(pattern, match)
    assert not matches(pattern, other)


def matches(pattern: Any, event: Any) -> bool:
    text = json.dumps(pattern)
    return bool(moto_events.EventPattern(text, pattern).matches_event(event))


def transformed(name: str, event: Any) -> Any:
    """Return the message that EventBridge would send, according to moto."""
    transformer = declared(name).one(TARGET)["inputTransformer"]
    parser: Any = moto_events.EventTemplateParser  # type: ignore[attr-defined]
    return parser.parse(
        transformer["inputTemplate"], transformer["inputPaths"], {**event, "ingestion-time": ""}
    )


def test_the_mail_names_the_job_and_the_error() -> None:
    event = example(Status.FAILED)
    error = event["detail"]["error"]
    assert transformed("mail", event) == (
        f"ZIP job {event['detail']['jobId']} failed with INVALID_MANIFEST. {error['message']}"
    )


@pytest.mark.parametrize(
    ("status", "detail_type", "entries"),
    [
        (Status.READY, "Zip Job Ready", 2),
        (Status.FAILED, "Zip Job Failed", 0),
        (Status.CANCELLED, "Zip Job Cancelled", 0),
    ],
)
def test_the_webhook_gets_a_line_for_each_status(
    status: Status, detail_type: str, entries: int
) -> None:
    event = example(status)
    job_id = event["detail"]["jobId"]
    assert transformed("webhook", event) == {"text": f"{detail_type}: {job_id}, {entries} entries"}
