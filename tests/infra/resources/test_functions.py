"""The declared graph as a whole, and what holds for every function."""

from local.names import ACCOUNT_ID
from tests.infra.conftest import Declared
from tests.infra.registered import Stack
from tools.declared import declared

FUNCTION = "lambda/function:Function"
RULE = "cloudwatch/eventRule:EventRule"
WORKERS = {"zipper", "dead-letter", "reconciler"}
FUNCTIONS = {"enqueue", "status", "cancel", "docs", *WORKERS}

GATEWAY_SECONDS = 30


def test_the_functions_are_these(program: Declared) -> None:
    assert set(program.of(FUNCTION)) == FUNCTIONS


def test_every_reference_leads_to_a_declared_resource(program: Declared) -> None:
    for resource in program.resources.values():
        assert resource.references <= set(program.resources), resource.key


def test_every_resource_is_part_of_a_component_or_of_the_stack_itself(program: Declared) -> None:
    components = {one.component for one in program.resources.values()}
    assert {
        "s3zipjobs:infra:CompletionBus",
        "s3zipjobs:infra:Functions",
        "s3zipjobs:infra:HttpApi",
        "s3zipjobs:infra:JobQueue",
        "s3zipjobs:infra:Monitoring",
        "s3zipjobs:infra:Storage",
    } <= components


# Functions


def test_every_function_has_a_role_and_a_log_group_that_are_its_own(program: Declared) -> None:
    for name, function in program.of(FUNCTION).items():
        assert function.inputs["role"] == program.mark("iam/role:Role", name)
        logging = function.inputs["loggingConfig"]
        assert logging["logGroup"] == program.mark("cloudwatch/logGroup:LogGroup", name)
        assert logging["logFormat"] == "JSON"
    for type_ in ("iam/role:Role", "iam/rolePolicy:RolePolicy", "cloudwatch/logGroup:LogGroup"):
        assert set(program.of(type_)) == FUNCTIONS


def test_a_function_waits_for_its_permissions(stack: Stack) -> None:
    """What starts it is made as soon as it is there: the first messages would be refused."""
    for name in FUNCTIONS:
        full_name = f"s3-zip-jobs-dev-{name}"
        assert f"RolePolicy {full_name}" in stack.options[f"Function {full_name}"].after


def test_logs_are_not_kept_for_ever(program: Declared) -> None:
    """As CloudWatch does with those of which nothing is said."""
    for group in program.of("cloudwatch/logGroup:LogGroup").values():
        assert group.inputs["retentionInDays"] == 1


def test_a_worker_has_the_time_that_its_work_takes(program: Declared) -> None:
    """Lambda's own three seconds are too few for any: a request to AWS may take ten, and be asked
    again. The dead letters come in tens, and each of them is several requests.
    """
    timeouts = {name: program.of(FUNCTION)[name].inputs["timeout"] for name in WORKERS}
    assert timeouts == {"zipper": 900, "dead-letter": 60, "reconciler": 300}


def test_the_zipper_has_a_disk_for_a_list_of_a_million_entries(program: Declared) -> None:
    """Twice, with long keys. The others need none, and 512 MB cost nothing."""
    disks = {
        name: one.inputs["ephemeralStorage"]["size"] for name, one in program.of(FUNCTION).items()
    }
    assert disks == {**dict.fromkeys(FUNCTIONS, 512), "zipper": 2048}


def test_a_job_is_swept_only_after_the_queue_had_its_time_to_notice(program: Declared) -> None:
    """A crash is noticed one timeout after the last sign of life. A grace of one would sweep jobs
    that the queue is about to hand out again.
    """
    functions = program.of(FUNCTION)
    told = {
        name: one.inputs["environment"]["variables"].get("RECONCILE_GRACE_SECONDS")
        for name, one in functions.items()
    }
    assert told.pop("docs") is None, "it knows of no jobs"
    assert {int(grace) for grace in told.values()} == {2 * functions["zipper"].inputs["timeout"]}


def test_all_run_on_what_the_package_is_built_for(program: Declared) -> None:
    architectures = [one.inputs["architectures"] for one in program.of(FUNCTION).values()]
    assert architectures == [["arm64"]] * len(FUNCTIONS)


def test_functions_that_talk_to_s3_know_whose_buckets_are() -> None:
    settings = {"allowedSources": ["theirs/2026/"], "bucketOwners": ["theirs=011122223333"]}
    told = {
        name: one.inputs["environment"]["variables"]
        for name, one in Declared(declared("dev", settings)).of(FUNCTION).items()
    }
    assert not {"ACCOUNT_ID", "BUCKET_OWNERS"} & set(told.pop("docs"))
    assert {(one["ACCOUNT_ID"], one["BUCKET_OWNERS"]) for one in told.values()} == {
        (ACCOUNT_ID, '{"theirs": "011122223333"}')
    }


def test_a_function_behind_the_api_answers_before_the_gateway_gives_up(program: Declared) -> None:
    """But only just: until then, whoever asked is waiting for the answer."""
    behind = {
        key
        for integration in program.of("apigatewayv2/integration:Integration").values()
        for key in integration.references
    }
    functions = program.of(FUNCTION).items()
    timeouts = {name: one.inputs["timeout"] for name, one in functions if one.key in behind}
    assert timeouts == dict.fromkeys(FUNCTIONS - WORKERS, GATEWAY_SECONDS - 1)


def test_what_may_start_a_function_is_named(program: Declared) -> None:
    """API Gateway one route at a time, EventBridge one rule: nobody else by either service."""
    for permission in program.of("lambda/permission:Permission").values():
        source = permission.inputs["sourceArn"]
        if permission.inputs["principal"] == "events.amazonaws.com":
            assert source == program.mark(RULE, "reconciler")
            assert permission.inputs["function"] == program.mark(FUNCTION, "reconciler")
        else:
            assert permission.inputs["principal"] == "apigateway.amazonaws.com"
            assert "/zip-jobs" in source or source.endswith(("/docs", "/openapi.json"))
