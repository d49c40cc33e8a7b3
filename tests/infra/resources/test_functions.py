"""All declared resources together, and the settings of every function."""

from tests.infra.conftest import Declared
from tests.infra.registered import Stack

FUNCTION = "lambda/function:Function"
RULE = "cloudwatch/eventRule:EventRule"
WORKERS = {"zipper", "dead-letter", "reconciler"}
FUNCTIONS = {"enqueue", "status", "cancel", "docs", *WORKERS}

GATEWAY_SECONDS = 30


def test_the_program_declares_seven_functions(program: Declared) -> None:
    assert set(program.of(FUNCTION)) == FUNCTIONS


def test_every_reference_is_to_a_declared_resource(program: Declared) -> None:
    for resource in program.resources.values():
        assert resource.references <= set(program.resources), resource.key


def test_resources_are_grouped_in_components(program: Declared) -> None:
    components = {one.component for one in program.resources.values()}
    assert {
        "s3zipjobs:infra:CompletionBus",
        "s3zipjobs:infra:Functions",
        "s3zipjobs:infra:HttpApi",
        "s3zipjobs:infra:JobQueues",
        "s3zipjobs:infra:Monitoring",
        "s3zipjobs:infra:Roles",
        "s3zipjobs:infra:Storage",
    } <= components


# Functions


def test_every_function_has_its_own_role_and_log_group(program: Declared) -> None:
    for name, function in program.of(FUNCTION).items():
        assert function.inputs["role"] == program.mark("iam/role:Role", name)
        logging = function.inputs["loggingConfig"]
        assert logging["logGroup"] == program.mark("cloudwatch/logGroup:LogGroup", name)
        assert logging["logFormat"] == "JSON"
    for type_ in ("iam/role:Role", "iam/rolePolicy:RolePolicy", "cloudwatch/logGroup:LogGroup"):
        assert set(program.of(type_)) == FUNCTIONS


def test_a_function_is_created_after_its_permissions(stack: Stack) -> None:
    """Otherwise the first invocations would be denied access."""
    for name in FUNCTIONS:
        full_name = f"s3-zip-jobs-dev-{name}"
        assert f"RolePolicy {full_name}" in stack.options[f"Function {full_name}"].after


def test_workers_have_long_timeouts(program: Declared) -> None:
    """Lambda's default of three seconds is too short: one request to AWS can take ten.

    The dead-letter function receives ten messages at once, with several requests each.
    """
    timeouts = {name: program.of(FUNCTION)[name].inputs["timeout"] for name in WORKERS}
    assert timeouts == {"zipper": 900, "dead-letter": 60, "reconciler": 300}


def test_only_the_zipper_has_a_larger_disk(program: Declared) -> None:
    """The zipper stores two copies of a list of a million entries. The first 512 MB are free."""
    disks = {
        name: one.inputs["ephemeralStorage"]["size"] for name, one in program.of(FUNCTION).items()
    }
    assert disks == {**dict.fromkeys(FUNCTIONS, 512), "zipper": 2048}


def test_functions_use_the_architecture_of_the_package(program: Declared) -> None:
    architectures = [one.inputs["architectures"] for one in program.of(FUNCTION).values()]
    assert architectures == [["arm64"]] * len(FUNCTIONS)


def test_api_functions_time_out_just_before_the_gateway(program: Declared) -> None:
    """The caller gets a response in every case."""
    behind = {
        key
        for integration in program.of("apigatewayv2/integration:Integration").values()
        for key in integration.references
    }
    functions = program.of(FUNCTION).items()
    timeouts = {name: one.inputs["timeout"] for name, one in functions if one.key in behind}
    assert timeouts == dict.fromkeys(FUNCTIONS - WORKERS, GATEWAY_SECONDS - 1)


def test_only_named_routes_and_rules_invoke_functions(program: Declared) -> None:
    """Each permission names one route of the API or one rule."""
    for permission in program.of("lambda/permission:Permission").values():
        source = permission.inputs["sourceArn"]
        if permission.inputs["principal"] == "events.amazonaws.com":
            assert source == program.mark(RULE, "reconciler")
            assert permission.inputs["function"] == program.mark(FUNCTION, "reconciler")
        else:
            assert permission.inputs["principal"] == "apigateway.amazonaws.com"
            assert "/zip-jobs" in source or source.endswith(("/docs", "/openapi.json"))
