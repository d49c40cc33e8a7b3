"""Each setting changes the resources that it concerns."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import pytest

from tests.infra.config.valid import PROJECT
from tests.infra.conftest import Declared
from tools.declared import declared

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
    """Return a reader of a path in a resource's inputs, including nested JSON."""

    def read(program: Declared) -> object:
        value: Any = program.of(type_)[name].inputs
        for step in path:
            value = json.loads(value) if isinstance(value, str) else value
            value = value[step] if isinstance(step, int) else (value or {}).get(step)
        return value

    return read


def variable(name: str, *functions: str) -> Read:
    """Return a reader of a variable in the environment of these functions."""

    def read(program: Declared) -> object:
        path = ("environment", "variables", name)
        return {at(FUNCTION, function, *path)(program) for function in functions}

    return read


def of_all(type_: str, *path: str) -> Read:
    """Return a reader of a path in the inputs of all resources of a type."""

    def read(program: Declared) -> object:
        return {at(type_, name, *path)(program) for name in program.of(type_)}

    return read


def names_of(type_: str) -> Read:
    """Return a reader of the names of all resources of a type."""
    return lambda program: set(program.of(type_))


def key_permissions(policy: str) -> Read:
    """Return a reader of the permissions on KMS keys in a policy."""

    def read(program: Declared) -> object:
        if policy not in program.of(POLICY):
            return []
        statements = json.loads(program.of(POLICY)[policy].inputs["policy"])["Statement"]
        return [
            (one["Action"], one["Resource"])
            for one in statements
            if one["Action"][0].startswith("kms:")
        ]

    return read


def manifest_pattern(program: Declared) -> object:
    """Return the bucket and the key pattern of the rule for manifests."""
    detail = json.loads(program.of(RULE)["manifest-uploads"].inputs["eventPattern"])["detail"]
    return detail["bucket"]["name"][0], detail["object"]["key"][0]["wildcard"]


def regions(program: Declared) -> object:
    """Return the regions of the dashboard's widgets."""
    (dashboard,) = program.of(DASHBOARD).values()
    widgets = json.loads(dashboard.inputs["dashboardBody"])["widgets"]
    return {widget["properties"].get("region") for widget in widgets} - {None}


def name_starts(program: Declared) -> object:
    """Return the start of all resource names."""
    firsts = ("s3-zip-jobs-dev", "odd-dev")
    names = [one.name for one in program.resources.values()]
    return {next(first for first in firsts if name.startswith(first)) for name in names}


API = ("enqueue", "status", "cancel")
WORKERS = ("zipper", "dead-letter", "reconciler")
FINALIZING = ("cancel", "dead-letter", "reconciler")
ALLOW_LIST = ("enqueue", "zipper")
JWT = {
    "apiAuth": "jwt",
    "apiJwtIssuer": "https://login.example.com",
    "apiJwtAudience": ["everyone"],
}
THEIRS = {"sourceBucket": "theirs"}
ENCRYPT = ["kms:GenerateDataKey", "kms:Decrypt"]


@dataclass(frozen=True)
class Case:
    """A setting with a value, a reader of its effect, and the expected result.

    ``others`` are settings that must be set too.
    """

    setting: str
    value: object
    read: Read
    found: object
    others: Mapping[str, object] = field(default_factory=dict)


CASES = [
    Case("aws:region", "eu-west-3", regions, {"eu-west-3"}),
    Case("resourcePrefix", "odd", name_starts, {"odd-dev"}),
    Case("sourceBucket", "odd", variable("SOURCE_BUCKET", *ALLOW_LIST), {"odd"}),
    Case("targetBucket", "odd", variable("TARGET_BUCKET", *ALLOW_LIST, *FINALIZING), {"odd"}),
    Case("targetPrefix", "odd/", variable("TARGET_PREFIX", *ALLOW_LIST, *FINALIZING), {"odd/"}),
    Case("manifestBucket", "odd", variable("WORK_BUCKET", "zipper", *FINALIZING), {"odd"}),
    Case("manifestBucket", "odd", variable("REQUESTS_BUCKET", "enqueue"), {"odd"}),
    Case("manifestBucket", "odd", manifest_pattern, ("odd", "manifests/*.json")),
    Case("manifestPrefix", "odd/", variable("MANIFEST_PREFIX", "zipper", *FINALIZING), {"odd/"}),
    Case(
        "manifestPrefix",
        "odd/",
        manifest_pattern,
        ("<aws:s3.bucket:Bucket s3-zip-jobs-dev-manifests>", "odd/*.json"),
    ),
    Case(
        "allowedSources",
        ["odd/2026/", "even"],
        variable("ALLOWED_SOURCES", *ALLOW_LIST),
        {'["theirs/", "odd/2026/", "even/"]'},
        THEIRS,
    ),
    Case(
        "allowedTargets",
        ["odd/2026/", "even"],
        variable("ALLOWED_TARGETS", *ALLOW_LIST),
        {'["archives/zips/", "odd/2026/", "even/"]'},
        {"targetBucket": "archives"},
    ),
    Case(
        "bucketOwners",
        ["theirs=011122223333"],
        variable("BUCKET_OWNERS", *API, *WORKERS),
        {'{"theirs": "011122223333"}'},
        THEIRS,
    ),
    Case("presignTtlSeconds", 77, variable("PRESIGN_TTL_SECONDS", "status"), {"77"}),
    Case(
        "jobRetentionDays",
        17,
        variable("JOB_RETENTION_SECONDS", *API, *WORKERS),
        {str(17 * 86_400)},
    ),
    Case(
        "jobRetentionDays",
        17,
        at(LIFECYCLE, "manifests-lifecycle", "rules", 1, "expiration", "days"),
        17,
    ),
    Case("archiveRetentionDays", 17, variable("ARCHIVE_RETENTION_DAYS", *ALLOW_LIST), {"17"}),
    Case(
        "archiveRetentionDays",
        17,
        at(LIFECYCLE, "target-lifecycle", "rules", -1, "expiration", "days"),
        17,
    ),
    Case("logRetentionDays", 731, of_all(LOG_GROUP, "retentionInDays"), {731}),
    Case("zipperMemoryMb", 777, at(FUNCTION, "zipper", "memorySize"), 777),
    Case("zipperTimeoutSeconds", 77, at(FUNCTION, "zipper", "timeout"), 77),
    Case("zipperTimeoutSeconds", 77, at(QUEUE, "jobs", "visibilityTimeoutSeconds"), 77),
    Case("zipperTimeoutSeconds", 77, variable("RECONCILE_GRACE_SECONDS", *API, *WORKERS), {"154"}),
    Case(
        "zipperMaxConcurrency",
        77,
        at(MAPPING, "zipper", "scalingConfig", "maximumConcurrency"),
        77,
    ),
    Case(
        "zipperPollers",
        7,
        at(MAPPING, "zipper", "provisionedPollerConfig"),
        {"minimumPollers": 7, "maximumPollers": 7},
    ),
    Case("segmentMib", 77, variable("SEGMENT_MIB", "zipper"), {"77"}),
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
    Case("apiAuth", "none", variable("API_AUTH", *API, "docs"), {"none"}),
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
    Case("customerKey", KEY, key_permissions("enqueue-key"), [(ENCRYPT, [KEY])]),
    Case("sourceKmsKeyArns", [KEY], key_permissions("zipper"), [(["kms:Decrypt"], [KEY])]),
    Case("targetKmsKeyArns", [KEY], key_permissions("zipper"), [(ENCRYPT, [KEY])]),
    Case("targetKmsKeyArns", [KEY], key_permissions("status"), [(["kms:Decrypt"], [KEY])]),
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
    """Return the resources that a stack with these settings declares. ``settings`` is JSON."""
    return Declared(declared("dev", json.loads(settings)))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.setting)
def test_a_setting_changes_the_resources_that_it_concerns(case: Case) -> None:
    without = program_with(json.dumps(case.others))
    assert case.read(without) != case.found
    odd = program_with(json.dumps({**case.others, case.setting: case.value}))
    assert case.read(odd) == case.found


def test_every_setting_has_a_case() -> None:
    affects_only_checks = {"allowSourceOverlap"}  # tests/infra/config/test_bucket_settings.py
    looked_for = {case.setting for case in CASES}
    assert looked_for | affects_only_checks == set(PROJECT)
