"""The Pulumi program's declared graph, and what the embedded AWS says of one it cannot play."""

import json
from typing import Any

import pulumi
import pytest

from infra.queue import manifest_pattern
from local.declarations import Declarations, DeclaredFunction, DeclaredRoute
from local.deploy import configuration, run_program
from local.errors import LocalError
from local.functions import Function
from local.http_api import HttpApi
from local.names import ACCOUNT_ID
from local.provider import EmbeddedProvider
from zipjobs.jobs.table import SWEEP_INDEX


class Recorder(pulumi.runtime.Mocks):
    """Keeps what is declared, by logical name."""

    def __init__(self) -> None:
        self.resources: dict[tuple[str, str], dict[str, Any]] = {}

    def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str, dict[str, Any]]:
        self.resources[args.typ, args.name] = args.inputs
        known = {
            "name": args.name,
            "bucket": args.name,
            "arn": f"arn:{args.name}",
            "url": f"https://{args.name}",
            "invokeArn": f"arn:invoke/{args.name}",
            "executionArn": f"arn:execute/{args.name}",
            "apiEndpoint": "https://api",
        }
        return f"{args.name}-id", {**known, **args.inputs}

    def call(
        self, args: pulumi.runtime.MockCallArgs
    ) -> tuple[dict[str, Any], list[tuple[str, str]]]:
        return {"accountId": ACCOUNT_ID}, []

    def of_type(self, token: str) -> dict[str, dict[str, Any]]:
        return {name: inputs for (typ, name), inputs in self.resources.items() if typ == token}


@pytest.fixture(scope="module")
def graph() -> Recorder:
    recorder = Recorder()
    run_program(recorder, "prod", configuration("dev", {}))
    return recorder


def test_a_message_stays_invisible_as_long_as_its_worker_may_live(graph: Recorder) -> None:
    functions = graph.of_type("aws:lambda/function:Function")
    queues = graph.of_type("aws:sqs/queue:Queue")
    jobs = queues["s3-zip-jobs-prod-jobs"]
    zipper = functions["s3-zip-jobs-prod-zipper"]
    assert jobs["visibilityTimeoutSeconds"] >= zipper["timeout"]
    dead = queues["s3-zip-jobs-prod-dead-letters"]
    undertaker = functions["s3-zip-jobs-prod-dead-letter"]
    assert dead["visibilityTimeoutSeconds"] >= undertaker["timeout"]


def test_a_crash_is_made_good_within_one_timeout_of_the_function(graph: Recorder) -> None:
    jobs = graph.of_type("aws:sqs/queue:Queue")["s3-zip-jobs-prod-jobs"]
    zipper = graph.of_type("aws:lambda/function:Function")["s3-zip-jobs-prod-zipper"]
    assert jobs["visibilityTimeoutSeconds"] <= zipper["timeout"]


def test_the_sweeper_runs_on_a_schedule_and_asks_an_index(graph: Recorder) -> None:
    rule = graph.of_type("aws:cloudwatch/eventRule:EventRule")["s3-zip-jobs-prod-sweeper"]
    assert rule["scheduleExpression"] == "rate(15 minutes)"
    target = graph.of_type("aws:cloudwatch/eventTarget:EventTarget")["s3-zip-jobs-prod-sweeper"]
    assert target["arn"] == "arn:s3-zip-jobs-prod-sweeper"
    permission = graph.of_type("aws:lambda/permission:Permission")["s3-zip-jobs-prod-sweeper"]
    assert permission["sourceArn"] == "arn:s3-zip-jobs-prod-sweeper"
    table = graph.of_type("aws:dynamodb/table:Table")["s3-zip-jobs-prod-jobs"]
    indexes = {one["name"]: one["projectionType"] for one in table["globalSecondaryIndexes"]}
    assert indexes[SWEEP_INDEX] == "KEYS_ONLY"


def test_failed_jobs_are_redriven_and_failed_events_too(graph: Recorder) -> None:
    jobs = graph.of_type("aws:sqs/queue:Queue")["s3-zip-jobs-prod-jobs"]
    assert json.loads(jobs["redrivePolicy"]) == {
        "deadLetterTargetArn": "arn:s3-zip-jobs-prod-dead-letters",
        "maxReceiveCount": 5,
    }
    targets = graph.of_type("aws:cloudwatch/eventTarget:EventTarget")
    target = targets["s3-zip-jobs-prod-manifest-to-queue"]
    assert target["deadLetterConfig"] == {"arn": "arn:s3-zip-jobs-prod-dead-letters"}


def test_only_the_rule_may_send_to_the_queue(graph: Recorder) -> None:
    policies = graph.of_type("aws:sqs/queuePolicy:QueuePolicy")
    found = json.loads(policies["s3-zip-jobs-prod-jobs-from-rule"]["policy"])["Statement"]
    (statement,) = (one for one in found if one["Effect"] == "Allow")
    assert statement["Principal"] == {"Service": "events.amazonaws.com"}
    assert statement["Condition"] == {
        "ArnEquals": {"aws:SourceArn": ["arn:s3-zip-jobs-prod-manifest-dropped"]}
    }


def test_every_mapping_reports_item_failures_and_has_a_maximum_concurrency(
    graph: Recorder,
) -> None:
    mappings = graph.of_type("aws:lambda/eventSourceMapping:EventSourceMapping")
    assert len(mappings) == 2
    for mapping in mappings.values():
        assert mapping["functionResponseTypes"] == ["ReportBatchItemFailures"]
        assert mapping["scalingConfig"]["maximumConcurrency"] >= 2


def test_every_function_has_its_own_role_and_log_group(graph: Recorder) -> None:
    functions = graph.of_type("aws:lambda/function:Function").values()
    assert len({function["role"] for function in functions}) == len(functions) == 7
    assert len({function["loggingConfig"]["logGroup"] for function in functions}) == 7
    assert all(function["architectures"] == ["arm64"] for function in functions)
    for group in graph.of_type("aws:cloudwatch/logGroup:LogGroup").values():
        assert group["retentionInDays"] == 1


def test_functions_that_talk_to_s3_know_whose_buckets_are() -> None:
    recorder = Recorder()
    settings = {"allowedSources": ["theirs/2026/"], "bucketOwners": ["theirs=011122223333"]}
    run_program(recorder, "dev", configuration("dev", settings))
    told = {
        name.removeprefix("s3-zip-jobs-dev-"): (
            function["environment"]["variables"].get("ACCOUNT_ID"),
            function["environment"]["variables"].get("BUCKET_OWNERS"),
        )
        for name, function in recorder.of_type("aws:lambda/function:Function").items()
    }
    assert told.pop("docs") == (None, None)
    assert set(told.values()) == {(ACCOUNT_ID, '{"theirs": "011122223333"}')}


def test_no_policy_allows_everything(graph: Recorder) -> None:
    for policy in graph.of_type("aws:iam/rolePolicy:RolePolicy").values():
        for statement in json.loads(policy["policy"])["Statement"]:
            assert "*" not in statement["Action"]
            assert "*" not in statement["Resource"]
            assert not any(action.endswith(":*") for action in statement["Action"])


def test_every_bucket_is_private_and_forgets_unfinished_uploads(graph: Recorder) -> None:
    buckets = set(graph.of_type("aws:s3/bucket:Bucket"))
    assert len(buckets) == 3
    blocks = graph.of_type("aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock").values()
    assert {block["bucket"] for block in blocks if all(block.values())} == buckets
    lifecycles = graph.of_type("aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration")
    forgetting = {
        lifecycle["bucket"]
        for lifecycle in lifecycles.values()
        if any("abortIncompleteMultipartUpload" in rule for rule in lifecycle["rules"])
    }
    assert forgetting == buckets


ROUTES = {
    "POST /zip-jobs",
    "GET /zip-jobs",
    "GET /zip-jobs/{jobId}",
    "DELETE /zip-jobs/{jobId}",
}
DOCS_ROUTES = {"GET /openapi.json", "GET /docs"}


def api_of(**settings: Any) -> Recorder:
    """The graph of a stack with these settings."""
    recorder = Recorder()
    run_program(recorder, "prod", configuration("dev", settings))
    return recorder


def test_the_api_asks_for_a_signature_unless_told_not_to(graph: Recorder) -> None:
    routes = graph.of_type("aws:apigatewayv2/route:Route").values()
    assert {route["routeKey"] for route in routes} == ROUTES | DOCS_ROUTES
    assert {route["authorizationType"] for route in routes} == {"AWS_IAM"}
    assert all("authorizerId" not in route for route in routes)
    assert graph.of_type("aws:apigatewayv2/authorizer:Authorizer") == {}


def test_with_jwt_every_route_is_behind_one_authorizer() -> None:
    issuer, audience = "https://login.example.com", ["zip-jobs"]
    graph = api_of(apiAuth="jwt", apiJwtIssuer=issuer, apiJwtAudience=audience)
    ((name, authorizer),) = graph.of_type("aws:apigatewayv2/authorizer:Authorizer").items()
    assert authorizer["authorizerType"] == "JWT"
    assert authorizer["identitySources"] == ["$request.header.Authorization"]
    assert authorizer["jwtConfiguration"] == {"issuer": issuer, "audiences": audience}
    routes = graph.of_type("aws:apigatewayv2/route:Route").values()
    assert len(routes) == len(ROUTES | DOCS_ROUTES)
    assert {(route["authorizationType"], route["authorizerId"]) for route in routes} == {
        ("JWT", f"{name}-id")
    }


def test_with_none_everybody_may_call_and_pulumi_says_so(
    caplog: pytest.LogCaptureFixture,
) -> None:
    routes = api_of(apiAuth="none").of_type("aws:apigatewayv2/route:Route").values()
    assert {route["authorizationType"] for route in routes} == {"NONE"}
    assert "apiAuth is none: everyone who finds the API" in caplog.text


def test_the_api_need_not_describe_itself() -> None:
    graph = api_of(apiDocs="false")
    routes = graph.of_type("aws:apigatewayv2/route:Route").values()
    assert {route["routeKey"] for route in routes} == ROUTES


def test_each_route_may_invoke_its_function_and_nothing_else_may(graph: Recorder) -> None:
    permissions = graph.of_type("aws:lambda/permission:Permission").values()
    api = "arn:execute/s3-zip-jobs-prod-api/*"
    assert {
        (permission["function"], permission["sourceArn"])
        for permission in permissions
        if permission["principal"] == "apigateway.amazonaws.com"
    } == {
        ("s3-zip-jobs-prod-enqueue", f"{api}/POST/zip-jobs"),
        ("s3-zip-jobs-prod-status", f"{api}/GET/zip-jobs"),
        ("s3-zip-jobs-prod-status", f"{api}/GET/zip-jobs/*"),
        ("s3-zip-jobs-prod-cancel", f"{api}/DELETE/zip-jobs/*"),
        ("s3-zip-jobs-prod-docs", f"{api}/GET/openapi.json"),
        ("s3-zip-jobs-prod-docs", f"{api}/GET/docs"),
    }


def test_pages_of_other_origins_may_call_only_if_they_are_named(graph: Recorder) -> None:
    (api,) = graph.of_type("aws:apigatewayv2/api:Api").values()
    assert "corsConfiguration" not in api
    named = api_of(apiCorsOrigins=["https://app.example.com"])
    (api,) = named.of_type("aws:apigatewayv2/api:Api").values()
    cors = api["corsConfiguration"]
    assert cors["allowOrigins"] == ["https://app.example.com"]
    assert set(cors["allowMethods"]) == {"GET", "POST", "DELETE", "OPTIONS"}
    assert {"authorization", "idempotency-key", "x-amz-date"} <= set(cors["allowHeaders"])
    assert set(cors["exposeHeaders"]) == {"location", "retry-after"}


@pytest.mark.parametrize("value", ["one", '"one"', "[1]"])
def test_a_list_that_is_none_is_named(value: str) -> None:
    with pytest.raises(LocalError, match="apiCorsOrigins"):
        api_of(apiCorsOrigins=value)


def test_a_setting_that_does_not_exist_is_named() -> None:
    with pytest.raises(LocalError, match=r"apiAuht.*apiAuth"):
        api_of(apiAuht="none")


def test_named_buckets_are_used_and_not_created() -> None:
    recorder = Recorder()
    named = {"sourceBucket": "my-documents", "targetBucket": "my-zips"}
    outputs = run_program(recorder, "dev", configuration("dev", named))
    assert outputs["sourceBucket"] == "my-documents"
    assert outputs["targetBucket"] == "my-zips"
    assert set(recorder.of_type("aws:s3/bucket:Bucket")) == {"s3-zip-jobs-dev-manifests"}


def test_overlapping_manifests_and_targets_stop_the_program() -> None:
    shared = {"targetBucket": "one", "manifestBucket": "one", "manifestPrefix": "zips/"}
    with pytest.raises(Exception, match="manifestPrefix"):
        run_program(Recorder(), "dev", configuration("dev", shared))


def test_a_target_in_the_bucket_that_the_stack_made_for_manifests_stops_the_program_too() -> None:
    made = {"targetBucket": "s3-zip-jobs-dev-manifests", "targetPrefix": "manifests/zips/"}
    with pytest.raises(Exception, match="must never start a job"):
        run_program(Recorder(), "dev", configuration("dev", made))


@pytest.mark.parametrize(
    ("prefix", "wildcard"),
    [("manifests/", "manifests/*.json"), ("a*b\\c/", "a\\*b\\\\c/*.json")],
)
def test_the_rule_takes_the_prefix_literally(prefix: str, wildcard: str) -> None:
    pattern = json.loads(manifest_pattern("bucket", prefix))
    assert pattern["detail"]["object"]["key"] == [{"wildcard": wildcard}]


# What the embedded AWS says of a declaration that it cannot play.


def test_a_resource_type_that_is_not_played_is_named() -> None:
    provider = EmbeddedProvider("http://127.0.0.1:1", "us-east-1", "http://127.0.0.1:2")
    args = pulumi.runtime.MockResourceArgs("aws:ec2/vpc:Vpc", "net", {}, custom=True)
    with pytest.raises(LocalError, match=r"aws:ec2/vpc:Vpc \(net\)"):
        provider.new_resource(args)


def test_a_call_that_is_not_played_is_named() -> None:
    provider = EmbeddedProvider("http://127.0.0.1:1", "us-east-1", "http://127.0.0.1:2")
    args = pulumi.runtime.MockCallArgs("aws:ec2/getVpc:getVpc", {}, "")
    with pytest.raises(LocalError, match=r"aws:ec2/getVpc:getVpc is called"):
        provider.call(args)


def test_a_route_that_leads_to_no_function_is_named() -> None:
    declarations = Declarations(routes=[DeclaredRoute("GET /x", "integrations/none", "NONE")])
    with pytest.raises(LocalError, match="GET /x"):
        HttpApi(declarations, {}, "us-east-1", lambda name, line: None)


@pytest.mark.parametrize("handler", ["handlers.nope.handler", "handlers.status.nope"])
def test_a_handler_that_does_not_resolve_is_named(handler: str) -> None:
    declared = DeclaredFunction("broken", handler, "arn:role", 3, 512, {}, "group")
    function = Function(declared, {}, lambda name, line: None)
    with pytest.raises(LocalError, match=rf"broken.*{handler}.*nope"):
        function.start()
    function.stop()
