"""What the stacks of ``Pulumi.dev.yaml`` and ``Pulumi.prod.yaml`` are, and what they are not."""

import inspect
import re
from pathlib import Path
from typing import Any

import pulumi_aws
import pytest
import yaml
from pulumi.runtime.mocks import MockMonitor

from local.aws import aws_client, serving_aws
from local.deploy import configuration, run_program
from local.errors import LocalError
from local.faults.runtime import Faults
from local.provider import EmbeddedProvider
from pictures.declared import Resource, declared
from tests.infra.conftest import ALARM_EMAIL

ROOT = Path(__file__).resolve().parents[2]
DATA = {"Bucket", "Table"}
KEEPS_A_BUCKET = re.compile("^Bucket[A-Z]")
"""The types of resources that say how a bucket is kept."""

Options = dict[str, tuple[bool, bool]]
"""Whether a resource is protected, and whether it is retained, by its name."""


class Stack:
    """What a stack declares, by type and name, and how it is kept."""

    def __init__(self, name: str, overrides: dict[str, Any]) -> None:
        self.options: Options = {}
        register = MockMonitor.RegisterResource

        def noting(monitor: MockMonitor, request: Any) -> Any:
            found = request.protect, request.retainOnDelete
            self.options[f"{request.type.rpartition(':')[2]} {request.name}"] = found
            return register(monitor, request)  # type: ignore[no-untyped-call]

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(MockMonitor, "RegisterResource", noting)
            self.resources = list(declared(name, overrides).values())

    def of(self, kind: str) -> list[Resource]:
        return [one for one in self.resources if one.type.endswith(f":{kind}")]


@pytest.fixture(scope="module")
def prod() -> Stack:
    return Stack("prod", {"alarmEmail": ALARM_EMAIL})


@pytest.fixture(scope="module")
def dev() -> Stack:
    return Stack("dev", {})


def is_data(key: str) -> bool:
    kind = key.partition(" ")[0]
    return kind in DATA or KEEPS_A_BUCKET.match(kind) is not None


def test_in_production_data_is_protected_and_stays_even_if_it_no_longer_is(prod: Stack) -> None:
    """With all that says how a bucket is kept: without, one that is left would be public sooner."""
    aws = {key: kept for key, kept in prod.options.items() if not key.startswith("pulumi")}
    assert {key for key, kept in aws.items() if any(kept)} == {key for key in aws if is_data(key)}
    assert {kept for key, kept in aws.items() if is_data(key)} == {(True, True)}
    assert len([key for key in aws if key.startswith("Bucket ")]) == 3


def test_in_production_the_table_cannot_be_deleted_and_can_be_restored(prod: Stack) -> None:
    (table,) = prod.of("Table")
    assert table.inputs["deletionProtectionEnabled"] is True
    assert table.inputs["pointInTimeRecovery"] == {"enabled": True}


def test_in_production_no_queue_collects_events_that_nobody_reads(prod: Stack) -> None:
    assert {one.name for one in prod.of("Queue")} == {
        "s3-zip-jobs-prod-jobs",
        "s3-zip-jobs-prod-dead-letters",
    }


def test_in_production_logs_last_and_calls_are_signed_and_few(prod: Stack) -> None:
    assert {one.inputs["retentionInDays"] for one in prod.of("LogGroup")} == {90}
    assert {one.inputs["authorizationType"] for one in prod.of("Route")} == {"AWS_IAM"}
    (stage,) = prod.of("Stage")
    defaults = yaml.safe_load((ROOT / "Pulumi.yaml").read_text())["config"]
    throttles = stage.inputs["defaultRouteSettings"]
    assert throttles["throttlingBurstLimit"] < defaults["apiBurst"]["default"]
    assert throttles["throttlingRateLimit"] < defaults["apiRate"]["default"]


def test_production_does_not_start_before_it_is_known_who_is_on_call() -> None:
    with pytest.raises(LocalError, match=r"alarmEmail is .*it must be an e-mail address"):
        declared("prod")


def test_a_development_stack_goes_without_a_trace(dev: Stack) -> None:
    assert set(dev.options.values()) == {(False, False)}
    assert all(bucket.inputs["forceDestroy"] for bucket in dev.of("Bucket"))
    (table,) = dev.of("Table")
    assert not table.inputs["deletionProtectionEnabled"]


@pytest.mark.parametrize("stack", ["dev", "prod"])
def test_a_stack_sets_only_what_is_a_setting(stack: str) -> None:
    text = (ROOT / f"Pulumi.{stack}.yaml").read_text()
    known = configuration("dev", {})
    assert set(yaml.safe_load(text)["config"]) <= set(known)


def test_nothing_of_existing_buckets_is_changed() -> None:
    named = {"sourceBucket": "theirs", "targetBucket": "archives", "manifestBucket": "drops"}
    others = {"allowedSources": ["others/2026/"], "allowedTargets": ["elsewhere"]}
    resources = Stack("prod", {"alarmEmail": ALARM_EMAIL, **named, **others}).resources
    assert [one.key for one in resources if one.type.startswith("aws:s3")] == []


def can_have_tags(resource: Resource) -> bool:
    _, module, kind = resource.type.split(":")
    module = re.split("[./]", module)[0]
    found = getattr(getattr(pulumi_aws, {"lambda": "lambda_"}.get(module, module)), kind)
    return "tags" in inspect.signature(found._internal_init).parameters


def test_whatever_can_have_tags_has_those_of_the_stack(prod: Stack) -> None:
    tagged = {one.key for one in prod.resources if one.inputs.get("tags")}
    assert tagged == {one.key for one in prod.resources if can_have_tags(one)}
    assert all(
        one.inputs["tags"] == {"ManagedBy": "Pulumi", "Project": "s3-zip-jobs", "Stack": "prod"}
        for one in prod.resources
        if one.key in tagged
    )


def test_functions_are_traced_only_if_that_is_asked_for(prod: Stack) -> None:
    assert {one.inputs["tracingConfig"]["mode"] for one in prod.of("Function")} == {"PassThrough"}
    traced = Stack("dev", {"tracing": True})
    assert {one.inputs["tracingConfig"]["mode"] for one in traced.of("Function")} == {"Active"}
    assert all("xray:PutTraceSegments" in one.inputs["policy"] for one in traced.of("RolePolicy"))
    assert not any("xray" in one.inputs["policy"] for one in prod.of("RolePolicy"))


def test_the_production_stack_can_be_played_too() -> None:
    config = configuration("prod", {"alarmEmail": ALARM_EMAIL})
    region = config["aws:region"]
    with serving_aws(Faults()) as url:
        outputs = run_program(EmbeddedProvider(url, region, "http://api"), "prod", config)
        dynamodb = aws_client("dynamodb", url, region)
        table = outputs["tableName"]
        found = dynamodb.describe_table(TableName=table)["Table"]
        backups = dynamodb.describe_continuous_backups(TableName=table)
    assert found["DeletionProtectionEnabled"]
    recovery = backups["ContinuousBackupsDescription"]["PointInTimeRecoveryDescription"]
    assert recovery["PointInTimeRecoveryStatus"] == "ENABLED"
