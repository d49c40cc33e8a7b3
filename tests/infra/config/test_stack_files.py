"""The stacks of ``Pulumi.dev.yaml`` and ``Pulumi.prod.yaml``."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from local.deployment.mocks import EmbeddedProvider
from local.deployment.program import configuration, project, run_program
from local.deployment.resources import Resources
from local.errors import LocalError
from local.faults.injector import FaultInjector
from local.server import aws_client, serving_aws
from tests.infra.conftest import ALARM_EMAIL
from tests.infra.registered import Stack
from tools.declared import declared

ROOT = Path(__file__).resolve().parents[3]
HOME = "us-east-1"
DATA = {"Bucket", "Table"}
CONFIGURES_A_BUCKET = re.compile("^Bucket[A-Z]")
"""The types of resources that configure a bucket."""


@pytest.fixture(scope="module")
def prod() -> Stack:
    return Stack("prod", {"alarmEmail": ALARM_EMAIL})


@pytest.fixture(scope="module")
def dev() -> Stack:
    return Stack("dev", {})


def data_of(stack: Stack) -> set[str]:
    """Return the resources that hold data or configure a bucket."""
    kinds = {key: key.partition(" ")[0] for key in stack.options}
    return {key for key, kind in kinds.items() if kind in DATA or CONFIGURES_A_BUCKET.match(kind)}


def test_production_data_is_protected_and_retained(prod: Stack) -> None:
    """A retained bucket without these settings could become public."""
    assert {key for key, one in prod.options.items() if one.is_protected} == data_of(prod)
    assert {key for key, one in prod.options.items() if one.is_retained} == data_of(prod)
    assert len(prod.of("Bucket")) == 3


def test_the_alias_of_a_key_is_not_retained() -> None:
    """A stack that is created again would find its name taken."""
    stack = Stack("prod", {"alarmEmail": ALARM_EMAIL, "customerKey": "create"})
    kept = {key for key, one in stack.options.items() if one.is_retained}
    assert {"Key s3-zip-jobs-prod"} == kept - data_of(stack)


def test_production_buckets_with_objects_are_not_deleted(prod: Stack) -> None:
    assert [bucket.inputs["forceDestroy"] for bucket in prod.of("Bucket")] == [False] * 3


def test_the_production_table_is_protected_and_restorable(prod: Stack) -> None:
    (table,) = prod.of("Table")
    assert table.inputs["deletionProtectionEnabled"] is True
    assert table.inputs["pointInTimeRecovery"] == {"enabled": True}


def test_production_has_no_completion_events_queue(prod: Stack) -> None:
    assert {one.name for one in prod.of("Queue")} == {
        "s3-zip-jobs-prod-jobs",
        "s3-zip-jobs-prod-dead-letters",
    }


def test_production_keeps_logs_and_requires_signed_requests(prod: Stack) -> None:
    assert {one.inputs["retentionInDays"] for one in prod.of("LogGroup")} == {90}
    assert {one.inputs["authorizationType"] for one in prod.of("Route")} == {"AWS_IAM"}


def test_production_limits_requests_more_than_development(prod: Stack, dev: Stack) -> None:
    (few,), (many,) = (
        [one.inputs["defaultRouteSettings"] for one in stack.of("Stage")] for stack in (prod, dev)
    )
    assert few == {"throttlingBurstLimit": 20, "throttlingRateLimit": 10}
    assert {limit for limit in few if few[limit] < many[limit]} == set(many)


def test_production_requires_an_alarm_email() -> None:
    with pytest.raises(LocalError, match=r"alarmEmail is .*it must be an email address"):
        declared("prod")


def test_a_development_stack_can_be_destroyed_completely(dev: Stack) -> None:
    assert not any(one.is_protected or one.is_retained for one in dev.options.values())
    assert all(bucket.inputs["forceDestroy"] for bucket in dev.of("Bucket"))
    (table,) = dev.of("Table")
    assert not table.inputs["deletionProtectionEnabled"]


@pytest.mark.parametrize("stack", ["dev", "prod"])
def test_stack_files_use_only_existing_settings(stack: str) -> None:
    """They have no namespace, so that they apply under any name of the project."""
    own = yaml.safe_load((ROOT / f"Pulumi.{stack}.yaml").read_text())["config"]
    assert set(own) <= set(project()["config"])


def test_existing_buckets_are_not_changed() -> None:
    named = {"sourceBucket": "theirs", "targetBucket": "archives", "manifestBucket": "inbox"}
    others = {"allowedSources": ["others/2026/"], "allowedTargets": ["elsewhere"]}
    resources = Stack("prod", {"alarmEmail": ALARM_EMAIL, **named, **others}).resources
    assert [one.key for one in resources if one.type.startswith("aws:s3")] == []


def outputs_with_bucket(setting: str, region: str | None) -> dict[str, Any]:
    """Deploy a stack with an existing bucket in a region, or with one that does not exist.

    Return its outputs. moto's state is global, so names are not used twice.
    """
    stack = f"{setting[:3]}-{region}".lower()
    with serving_aws(FaultInjector()) as url:
        if region is not None:
            location = {"CreateBucketConfiguration": {"LocationConstraint": region}}
            s3 = aws_client("s3", url, region)
            s3.create_bucket(Bucket=f"in-{stack}", **(location if region != HOME else {}))
        config = configuration("dev", {setting: f"in-{stack}"})
        return run_program(EmbeddedProvider(Resources(url, HOME, "http://api")), stack, config)


@pytest.mark.parametrize("setting", ["targetBucket", "manifestBucket"])
def test_an_existing_bucket_must_be_in_the_stacks_region(setting: str) -> None:
    assert outputs_with_bucket(setting, HOME)[setting] == f"in-{setting[:3]}-{HOME}"
    with pytest.raises(LocalError, match=f"{setting} is .* It is in eu-west-1"):
        outputs_with_bucket(setting, "eu-west-1")


def test_an_existing_bucket_must_exist() -> None:
    with pytest.raises(LocalError, match="The bucket in-tar-none does not exist"):
        outputs_with_bucket("targetBucket", None)


def test_functions_are_traced_only_with_tracing(prod: Stack) -> None:
    assert {one.inputs["tracingConfig"]["mode"] for one in prod.of("Function")} == {"PassThrough"}
    traced = Stack("dev", {"tracing": True})
    assert {one.inputs["tracingConfig"]["mode"] for one in traced.of("Function")} == {"Active"}
    assert all("xray:PutTraceSegments" in one.inputs["policy"] for one in traced.of("RolePolicy"))
    assert not any("xray" in one.inputs["policy"] for one in prod.of("RolePolicy"))


def test_the_embedded_aws_deploys_the_production_stack() -> None:
    config = configuration("prod", {"alarmEmail": ALARM_EMAIL})
    region = config["aws:region"]
    with serving_aws(FaultInjector()) as url:
        outputs = run_program(
            EmbeddedProvider(Resources(url, region, "http://api")), "prod", config
        )
        dynamodb = aws_client("dynamodb", url, region)
        table = outputs["tableName"]
        found = dynamodb.describe_table(TableName=table)["Table"]
        backups = dynamodb.describe_continuous_backups(TableName=table)
    assert found["DeletionProtectionEnabled"]
    recovery = backups["ContinuousBackupsDescription"]["PointInTimeRecoveryDescription"]
    assert recovery["PointInTimeRecoveryStatus"] == "ENABLED"
