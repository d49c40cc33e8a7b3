"""The declared graph as a whole: what holds for every queue, function, bucket and table."""

import json

import pytest

from pictures.declared import Resource
from tests.infra.conftest import Declared

FUNCTION = "lambda/function:Function"
QUEUE = "sqs/queue:Queue"
MAPPING = "lambda/eventSourceMapping:EventSourceMapping"
RULE = "cloudwatch/eventRule:EventRule"
TARGET = "cloudwatch/eventTarget:EventTarget"
FUNCTIONS = {"enqueue", "status", "cancel", "docs", "zipper", "dead-letter", "sweeper"}
RETRYING = {"jobs": "zipper", "dead-letters": "dead-letter"}
"""The queues that a function works through."""

LONGEST_RETENTION_SECONDS = 14 * 86_400
GATEWAY_SECONDS = 30


def denies_plain_http(policy: Resource) -> bool:
    return any(
        statement["Effect"] == "Deny"
        and statement["Principal"] == "*"
        and statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
        for statement in json.loads(policy.inputs["policy"])["Statement"]
    )


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


# Queues


@pytest.mark.parametrize(("queue", "function"), RETRYING.items())
def test_a_queue_feeds_its_function_and_that_one_alone(
    program: Declared, queue: str, function: str
) -> None:
    mapping = program.of(MAPPING)[function].inputs
    assert mapping["eventSourceArn"] == program.mark(QUEUE, queue)
    assert mapping["functionName"] == program.mark(FUNCTION, function)
    assert set(program.of(MAPPING)) == set(RETRYING.values())


@pytest.mark.parametrize(("queue", "function"), RETRYING.items())
def test_a_message_stays_invisible_exactly_as_long_as_its_worker_may_live(
    program: Declared, queue: str, function: str
) -> None:
    """Less, and Lambda refuses the mapping, for two would work on one message. More, and a crash
    takes longer to be made good: nobody sees the message before. AWS's advice of six times is for
    batches that are throttled; here a message is given back by name, with a delay of its own.
    """
    visible_again = program.of(QUEUE)[queue].inputs["visibilityTimeoutSeconds"]
    assert visible_again == program.of(FUNCTION)[function].inputs["timeout"]


def test_what_is_tried_often_enough_goes_to_the_dead_letters(program: Declared) -> None:
    redrive = json.loads(program.of(QUEUE)["jobs"].inputs["redrivePolicy"])
    assert redrive["deadLetterTargetArn"] == program.mark(QUEUE, "dead-letters")
    assert redrive["maxReceiveCount"] == 5


def test_a_message_is_kept_as_long_as_sqs_keeps_any(program: Declared) -> None:
    for name in RETRYING:
        queue = program.of(QUEUE)[name].inputs
        assert queue["messageRetentionSeconds"] == LONGEST_RETENTION_SECONDS


def test_dead_letters_are_given_an_end_before_their_retention_ends_them(program: Declared) -> None:
    """A message that moved to a dead-letter queue goes on aging from when it was sent. So even one
    that was tried to the last has time left for its end.
    """
    jobs = program.of(QUEUE)["jobs"].inputs
    tried = json.loads(jobs["redrivePolicy"])["maxReceiveCount"] * jobs["visibilityTimeoutSeconds"]
    assert tried < LONGEST_RETENTION_SECONDS / 10


def test_sqs_encrypts_every_queue(program: Declared) -> None:
    for queue in program.of(QUEUE).values():
        assert queue.inputs["sqsManagedSseEnabled"] is True, queue.name


def test_every_queue_refuses_plain_http(program: Declared) -> None:
    policies = program.of("sqs/queuePolicy:QueuePolicy").values()
    refusing = {policy.inputs["queueUrl"] for policy in policies if denies_plain_http(policy)}
    assert refusing == {f"<{queue.key}>" for queue in program.of(QUEUE).values()}


def test_events_that_cannot_be_delivered_are_kept(program: Declared) -> None:
    target = program.of(TARGET)["manifest-to-queue"].inputs
    assert target["arn"] == program.mark(QUEUE, "jobs")
    assert target["deadLetterConfig"] == {"arn": program.mark(QUEUE, "dead-letters")}


def test_every_queue_that_a_rule_sends_to_lets_that_rule_and_nobody_else(
    program: Declared,
) -> None:
    sends: dict[str, set[str]] = {}
    for target in program.of(TARGET).values():
        dead = target.inputs.get("deadLetterConfig", {}).get("arn")
        for queue in filter(None, (target.inputs["arn"], dead)):
            if "sqs" in queue:
                sends.setdefault(queue, set()).add(target.inputs["rule"])
    allowed: dict[str, set[str]] = {}
    for policy in program.of("sqs/queuePolicy:QueuePolicy").values():
        for statement in json.loads(policy.inputs["policy"])["Statement"]:
            if statement["Effect"] == "Allow":
                sources = statement["Condition"]["ArnEquals"]["aws:SourceArn"]
                allowed.setdefault(statement["Resource"], set()).update(sources)
    assert allowed == sends


# Functions


def test_concurrency_is_bounded_where_messages_start_functions(program: Declared) -> None:
    """By the mapping: reserved concurrency would throttle, and each throttle is a receive."""
    for mapping in program.of(MAPPING).values():
        assert 2 <= mapping.inputs["scalingConfig"]["maximumConcurrency"] <= 1000
    for function in program.of(FUNCTION).values():
        assert "reservedConcurrentExecutions" not in function.inputs


def test_a_worker_says_which_messages_failed_and_has_one_job_at_a_time(program: Declared) -> None:
    mappings = program.of(MAPPING)
    for mapping in mappings.values():
        assert mapping.inputs["functionResponseTypes"] == ["ReportBatchItemFailures"]
    assert mappings["zipper"].inputs["batchSize"] == 1


def test_every_function_has_a_role_and_a_log_group_that_are_its_own(program: Declared) -> None:
    for name, function in program.of(FUNCTION).items():
        assert function.inputs["role"] == program.mark("iam/role:Role", name)
        logging = function.inputs["loggingConfig"]
        assert logging["logGroup"] == program.mark("cloudwatch/logGroup:LogGroup", name)
        assert logging["logFormat"] == "JSON"
    for type_ in ("iam/role:Role", "iam/rolePolicy:RolePolicy", "cloudwatch/logGroup:LogGroup"):
        assert set(program.of(type_)) == FUNCTIONS


def test_logs_are_not_kept_for_ever(program: Declared) -> None:
    for group in program.of("cloudwatch/logGroup:LogGroup").values():
        assert group.inputs["retentionInDays"] >= 1


def test_a_function_behind_the_api_answers_before_the_gateway_gives_up(program: Declared) -> None:
    behind = {
        key
        for integration in program.of("apigatewayv2/integration:Integration").values()
        for key in integration.references
    }
    functions = [one for one in program.of(FUNCTION).values() if one.key in behind]
    assert {one.name.removeprefix("s3-zip-jobs-dev-") for one in functions} == {
        *("enqueue", "status", "cancel", "docs"),
    }
    assert all(one.inputs["timeout"] < GATEWAY_SECONDS for one in functions)


def test_what_may_start_a_function_is_named(program: Declared) -> None:
    """API Gateway one route at a time, EventBridge one rule: nobody else by either service."""
    for permission in program.of("lambda/permission:Permission").values():
        source = permission.inputs["sourceArn"]
        if permission.inputs["principal"] == "events.amazonaws.com":
            assert source == program.mark(RULE, "sweeper")
        else:
            assert permission.inputs["principal"] == "apigateway.amazonaws.com"
            assert "/zip-jobs" in source or source.endswith(("/docs", "/openapi.json"))


# Data


def test_jobs_are_found_by_id_by_owner_and_by_when_they_are_overdue(program: Declared) -> None:
    (table,) = program.of("dynamodb/table:Table").values()
    assert table.inputs["hashKey"] == "jobId"
    indexes = table.inputs["globalSecondaryIndexes"]
    assert [(one["name"], one["hashKey"], one["rangeKey"]) for one in indexes] == [
        ("sweep", "sweep", "sweepAt"),
        ("owner", "owner", "listKey"),
    ]
    assert table.inputs["ttl"] == {"attributeName": "expiresAt", "enabled": True}


def test_every_bucket_is_private_and_forgets_unfinished_uploads(program: Declared) -> None:
    buckets = {f"<{one.key}>" for one in program.of("s3/bucket:Bucket").values()}
    blocks = program.of("s3/bucketPublicAccessBlock:BucketPublicAccessBlock").values()
    assert {one.inputs["bucket"] for one in blocks if all(one.inputs.values())} == buckets
    lifecycles = program.of("s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration")
    forgetting = {
        one.inputs["bucket"]
        for one in lifecycles.values()
        if any("abortIncompleteMultipartUpload" in rule for rule in one.inputs["rules"])
    }
    assert forgetting == buckets


def test_every_bucket_is_encrypted_has_no_acls_and_refuses_plain_http(program: Declared) -> None:
    buckets = {f"<{one.key}>" for one in program.of("s3/bucket:Bucket").values()}
    assert len(buckets) == 3
    encryption = (
        "s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration"
    )
    encrypted = {
        one.inputs["bucket"]: rule["applyServerSideEncryptionByDefault"]
        for one in program.of(encryption).values()
        for rule in one.inputs["rules"]
    }
    assert encrypted == {bucket: {"sseAlgorithm": "AES256"} for bucket in buckets}
    owned = program.of("s3/bucketOwnershipControls:BucketOwnershipControls").values()
    assert {
        one.inputs["bucket"]
        for one in owned
        if one.inputs["rule"]["objectOwnership"] == "BucketOwnerEnforced"
    } == buckets
    policies = program.of("s3/bucketPolicy:BucketPolicy").values()
    refusing = {one.inputs["bucket"] for one in policies if denies_plain_http(one)}
    assert refusing == buckets
