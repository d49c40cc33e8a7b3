"""Every setting of ``Pulumi.yaml``, set to what nobody would guess, is found where it belongs."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.infra.conftest import Declared
from tools.declared import declared

PROJECT = yaml.safe_load((Path(__file__).resolve().parents[3] / "Pulumi.yaml").read_text())

ALARM = "cloudwatch/metricAlarm:MetricAlarm"
AUTHORIZER = "apigatewayv2/authorizer:Authorizer"
DASHBOARD = "cloudwatch/dashboard:Dashboard"
FUNCTION = "lambda/function:Function"
LIFECYCLE = "s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration"
LOG_GROUP = "cloudwatch/logGroup:LogGroup"
MAPPING = "lambda/eventSourceMapping:EventSourceMapping"
POLICY = "iam/rolePolicy:RolePolicy"
QUEUE = "sqs/queue:Queue"
ROUTE = "apigatewayv2/route:Route"
RULE = "cloudwatch/eventRule:EventRule"
STAGE = "apigatewayv2/stage:Stage"
TABLE = "dynamodb/table:Table"

KEY = "arn:aws:kms:us-east-1:111122223333:key/0d0d0d0d"

Read = Callable[[Declared], object]


def at(type_: str, name: str, *path: str | int) -> Read:
    """What stands at a place of a resource's inputs, in JSON too; None if nothing does."""

    def read(program: Declared) -> object:
        value: Any = program.of(type_)[name].inputs
        for step in path:
            value = json.loads(value) if isinstance(value, str) else value
            value = value[step] if isinstance(step, int) else (value or {}).get(step)
        return value

    return read


def told(name: str, *functions: str) -> Read:
    """What each of these functions has in its environment."""

    def read(program: Declared) -> object:
        path = ("environment", "variables", name)
        return {at(FUNCTION, function, *path)(program) for function in functions}

    return read


def of_all(type_: str, *path: str) -> Read:
    """What stands at a place of all resources of a type."""

    def read(program: Declared) -> object:
        return {at(type_, name, *path)(program) for name in program.of(type_)}

    return read


def names_of(type_: str) -> Read:
    """The names of all resources of a type."""
    return lambda program: set(program.of(type_))


def of_keys(function: str) -> Read:
    """What a function may do with KMS keys, and with which."""

    def read(program: Declared) -> object:
        statements = json.loads(program.of(POLICY)[function].inputs["policy"])["Statement"]
        return [
            (one["Action"], one["Resource"])
            for one in statements
            if one["Action"][0].startswith("kms:")
        ]

    return read


def pattern_of_manifests(program: Declared) -> object:
    """The bucket and the keys of which the rule takes events."""
    detail = json.loads(program.of(RULE)["manifest-dropped"].inputs["eventPattern"])["detail"]
    return detail["bucket"]["name"][0], detail["object"]["key"][0]["wildcard"]


def regions(program: Declared) -> object:
    """Where the dashboard looks."""
    (dashboard,) = program.of(DASHBOARD).values()
    widgets = json.loads(dashboard.inputs["dashboardBody"])["widgets"]
    return {widget["properties"].get("region") for widget in widgets} - {None}


def whose_names(program: Declared) -> object:
    """What the names of all resources begin with, of two that are tried."""
    firsts = ("s3-zip-jobs-dev", "odd-dev")
    names = [one.name for one in program.resources.values()]
    return {next(first for first in firsts if name.startswith(first)) for name in names}


API = ("enqueue", "status", "cancel")
WORKERS = ("zipper", "dead-letter", "reconciler")
ENDING = ("cancel", "dead-letter", "reconciler")
PLACED = ("enqueue", "zipper")
JWT = {
    "apiAuth": "jwt",
    "apiJwtIssuer": "https://login.example.com",
    "apiJwtAudience": ["everybody"],
}
THEIRS = {"sourceBucket": "theirs"}
ENCRYPT = ["kms:GenerateDataKey", "kms:Decrypt"]


@dataclass(frozen=True)
class Case:
    """A setting with a value, where that is looked for, what is found there, and what else must
    be set for it to be there.
    """

    setting: str
    value: object
    read: Read
    found: object
    others: Mapping[str, object] = field(default_factory=dict)


CASES = [
    Case("aws:region", "eu-west-3", regions, {"eu-west-3"}),
    Case("resourcePrefix", "odd", whose_names, {"odd-dev"}),
    Case("sourceBucket", "odd", told("SOURCE_BUCKET", *PLACED), {"odd"}),
    Case("targetBucket", "odd", told("TARGET_BUCKET", *PLACED, *ENDING), {"odd"}),
    Case("targetPrefix", "odd/", told("TARGET_PREFIX", *PLACED, *ENDING), {"odd/"}),
    Case("manifestBucket", "odd", told("WORK_BUCKET", "zipper", *ENDING), {"odd"}),
    Case("manifestBucket", "odd", told("REQUESTS_BUCKET", "enqueue"), {"odd"}),
    Case("manifestBucket", "odd", pattern_of_manifests, ("odd", "manifests/*.json")),
    Case("manifestPrefix", "odd/", told("MANIFEST_PREFIX", "zipper", *ENDING), {"odd/"}),
    Case(
        "manifestPrefix",
        "odd/",
        pattern_of_manifests,
        ("<aws:s3.bucket:Bucket s3-zip-jobs-dev-manifests>", "odd/*.json"),
    ),
    Case(
        "allowedSources",
        ["odd/2026/", "even"],
        told("ALLOWED_SOURCES", *PLACED),
        {'["theirs/", "odd/2026/", "even/"]'},
        THEIRS,
    ),
    Case(
        "allowedTargets",
        ["odd/2026/", "even"],
        told("ALLOWED_TARGETS", *PLACED),
        {'["archives/zips/", "odd/2026/", "even/"]'},
        {"targetBucket": "archives"},
    ),
    Case(
        "bucketOwners",
        ["theirs=011122223333"],
        told("BUCKET_OWNERS", *API, *WORKERS),
        {'{"theirs": "011122223333"}'},
        THEIRS,
    ),
    Case("presignTtlSeconds", 77, told("PRESIGN_TTL_SECONDS", "status"), {"77"}),
    Case(
        "jobRetentionDays",
        17,
        told("JOB_RETENTION_SECONDS", *API, *WORKERS),
        {str(17 * 86_400)},
    ),
    Case(
        "jobRetentionDays",
        17,
        at(LIFECYCLE, "manifests-lifecycle", "rules", 1, "expiration", "days"),
        17,
    ),
    Case("logRetentionDays", 731, of_all(LOG_GROUP, "retentionInDays"), {731}),
    Case("zipperMemoryMb", 777, at(FUNCTION, "zipper", "memorySize"), 777),
    Case("zipperTimeoutSeconds", 77, at(FUNCTION, "zipper", "timeout"), 77),
    Case("zipperTimeoutSeconds", 77, at(QUEUE, "jobs", "visibilityTimeoutSeconds"), 77),
    Case("zipperTimeoutSeconds", 77, told("RECONCILE_GRACE_SECONDS", *API, *WORKERS), {"154"}),
    Case(
        "zipperMaxConcurrency",
        77,
        at(MAPPING, "zipper", "scalingConfig", "maximumConcurrency"),
        77,
    ),
    Case("segmentMib", 77, told("SEGMENT_MIB", "zipper"), {"77"}),
    Case("maxReceiveCount", 77, at(QUEUE, "jobs", "redrivePolicy", "maxReceiveCount"), 77),
    Case("reconcileMinutes", 77, at(RULE, "reconciler", "scheduleExpression"), "rate(77 minutes)"),
    Case(
        "reconcileMinutes",
        77,
        at(ALARM, "reconciler-not-running", "metricQueries", 0, "metric", "period"),
        77 * 60,
    ),
    Case(
        "alarmEmail",
        "night@example.com",
        of_all("sns/topicSubscription:TopicSubscription", "endpoint"),
        {"night@example.com"},
    ),
    Case("alarmOldestMessageSeconds", 7777, at(ALARM, "oldest-message", "threshold"), 7777),
    Case("apiAuth", "none", of_all(ROUTE, "authorizationType"), {"NONE"}),
    Case("apiAuth", "none", told("API_AUTH", *API, "docs"), {"none"}),
    Case(
        "apiJwtIssuer",
        "https://odd.example.com",
        at(AUTHORIZER, "jwt", "jwtConfiguration", "issuer"),
        "https://odd.example.com",
        JWT,
    ),
    Case(
        "apiJwtAudience",
        ["odd", "even"],
        at(AUTHORIZER, "jwt", "jwtConfiguration", "audiences"),
        ["odd", "even"],
        JWT,
    ),
    Case(
        "apiDocs",
        False,
        names_of(ROUTE),
        {"enqueue", "list", "status", "cancel"},
    ),
    Case(
        "apiCorsOrigins",
        ["https://odd.example.com"],
        at("apigatewayv2/api:Api", "api", "corsConfiguration", "allowOrigins"),
        ["https://odd.example.com"],
    ),
    Case("apiRate", 77, at(STAGE, "api", "defaultRouteSettings", "throttlingBurstLimit"), 154),
    Case("apiRate", 77, at(STAGE, "api", "defaultRouteSettings", "throttlingRateLimit"), 77),
    Case("completionEventsQueue", False, names_of(QUEUE), {"jobs", "dead-letters"}),
    Case("tracing", True, of_all(FUNCTION, "tracingConfig", "mode"), {"Active"}),
    Case("customerKey", KEY, of_all(QUEUE, "kmsMasterKeyId"), {KEY}),
    Case("customerKey", KEY, of_keys("enqueue"), [(ENCRYPT, [KEY])]),
    Case("sourceKmsKeyArns", [KEY], of_keys("zipper"), [(["kms:Decrypt"], [KEY])]),
    Case("targetKmsKeyArns", [KEY], of_keys("zipper"), [(ENCRYPT, [KEY])]),
    Case("targetKmsKeyArns", [KEY], of_keys("status"), [(["kms:Decrypt"], [KEY])]),
    Case(
        "protectData",
        True,
        at(TABLE, "jobs", "pointInTimeRecovery"),
        {"enabled": True},
        {"forceDestroy": False},
    ),
    Case(
        "protectData",
        True,
        at(TABLE, "jobs", "deletionProtectionEnabled"),
        True,
        {"forceDestroy": False},
    ),
    Case("forceDestroy", False, of_all("s3/bucket:Bucket", "forceDestroy"), {False}),
]


@cache
def program_with(settings: str) -> Declared:
    """What is declared with these, which are JSON."""
    return Declared(declared("dev", json.loads(settings)))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.setting)
def test_a_setting_changes_the_resources_that_it_concerns(case: Case) -> None:
    without = program_with(json.dumps(case.others))
    assert case.read(without) != case.found
    odd = program_with(json.dumps({**case.others, case.setting: case.value}))
    assert case.read(odd) == case.found


def test_every_setting_has_a_case() -> None:
    changes_what_is_accepted = {"allowSourceOverlap"}  # tests/infra/config/test_bucket_settings.py
    looked_for = {case.setting for case in CASES}
    assert looked_for | changes_what_is_accepted == set(PROJECT["config"])
