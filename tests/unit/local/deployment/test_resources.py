"""The embedded AWS creates resources as Pulumi declares them."""

from collections.abc import Iterator
from typing import Any

import pytest

from local.deployment.declarations import DeclaredSchedule
from local.deployment.resources import Resources, fixed_suffix
from local.deployment.schema import SCHEMAS
from local.errors import LocalError
from local.faults.injector import FaultInjector
from local.names import logical_name, suffixed
from local.server import aws_client, serving_aws
from tools.declared import declared

REGION = "us-east-1"
JWT: dict[str, object] = {
    "apiAuth": "jwt",
    "apiJwtIssuer": "https://login.example.com",
    "apiJwtAudience": ["everyone"],
}
FUNCTION = "arn:aws:lambda:us-east-1:123456789012:function:reconcile-1234567"


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with serving_aws(FaultInjector(), services=("dynamodb", "events")) as url:
        yield url


@pytest.fixture
def resources(url: str) -> Resources:
    return Resources(url, REGION, "http://api")


def create(resources: Resources, kind: str, name: str, inputs: dict[str, Any]) -> dict[str, Any]:
    checked = resources.check(kind, name, inputs, fixed_suffix(name))
    _, outputs = resources.create(kind, checked)
    return {**checked, **outputs}


def test_every_type_has_a_schema_and_is_declared(resources: Resources) -> None:
    configurations: tuple[tuple[str, dict[str, object]], ...] = (
        ("prod", {"alarmEmail": "a@example.com", "customerKey": "create"}),
        ("dev", JWT),
    )
    programs = [declared(stack, settings) for stack, settings in configurations]
    types = {one.type for program in programs for one in program.values()}
    assert set(resources.types) == set(SCHEMAS) == {one for one in types if one.startswith("aws:")}


def test_table_has_indexes(resources: Resources, url: str) -> None:
    outputs = create(
        resources,
        "aws:dynamodb/table:Table",
        "jobs",
        {
            "billingMode": "PAY_PER_REQUEST",
            "hashKey": "jobId",
            "attributes": [{"name": name, "type": "S"} for name in ("jobId", "owner", "at")],
            "globalSecondaryIndexes": [
                {
                    "name": "by-owner",
                    "keySchemas": [
                        {"attributeName": "owner", "keyType": "HASH"},
                        {"attributeName": "at", "keyType": "RANGE"},
                    ],
                    "projectionType": "INCLUDE",
                    "nonKeyAttributes": ["status"],
                },
                {
                    "name": "by-time",
                    "keySchemas": [{"attributeName": "at", "keyType": "HASH"}],
                    "projectionType": "KEYS_ONLY",
                },
            ],
        },
    )
    table = aws_client("dynamodb", url, REGION).describe_table(TableName=outputs["name"])["Table"]
    assert table["KeySchema"] == [{"AttributeName": "jobId", "KeyType": "HASH"}]
    by_owner, by_time = table["GlobalSecondaryIndexes"]
    assert by_owner["IndexName"] == "by-owner"
    assert [key["AttributeName"] for key in by_owner["KeySchema"]] == ["owner", "at"]
    assert by_owner["Projection"] == {
        "ProjectionType": "INCLUDE",
        "NonKeyAttributes": ["status"],
    }
    assert by_time["Projection"] == {"ProjectionType": "KEYS_ONLY"}


def test_schedule_and_function_are_declared(resources: Resources) -> None:
    rule = create(
        resources,
        "aws:cloudwatch/eventRule:EventRule",
        "reconcile",
        {"scheduleExpression": "rate(5 minutes)"},
    )
    create(
        resources,
        "aws:cloudwatch/eventTarget:EventTarget",
        "reconcile",
        {"rule": rule["name"], "arn": FUNCTION},
    )
    (schedule,) = resources.declarations.schedules.values()
    assert schedule == DeclaredSchedule(rule["arn"], "reconcile-1234567", 300)


@pytest.mark.parametrize(
    ("rule", "target"),
    [
        ({"scheduleExpression": "rate(1 hour)"}, "arn:aws:sqs:us-east-1:123456789012:jobs"),
        ({"eventPattern": '{"source": ["aws.s3"]}'}, FUNCTION),
    ],
)
def test_unsupported_target_is_an_error(
    resources: Resources, rule: dict[str, str], target: str
) -> None:
    made = create(resources, "aws:cloudwatch/eventRule:EventRule", "other", rule)
    with pytest.raises(LocalError, match="Target other-to-it"):
        create(
            resources,
            "aws:cloudwatch/eventTarget:EventTarget",
            "other-to-it",
            {"rule": made["name"], "arn": target},
        )


def test_logical_name_is_derived_from_physical_name() -> None:
    assert logical_name(suffixed("s3-zip-jobs-dev-jobs", "0123456789")) == "s3-zip-jobs-dev-jobs"
