"""Each permission is needed, and requests fail without it."""

import json
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from local.iam.enforcement import NO_OWNER
from local.iam.permissions import Evaluation
from tests.e2e.stack import Client
from tests.permissions.mutants import declared, statements
from tests.permissions.scenario import run_scenario
from tests.permissions.table import FILE, keys_in, rows, without_each


@pytest.fixture(scope="module")
def evaluations(client: Client) -> Counter[Evaluation]:
    return run_scenario(client)


def test_every_permission_is_needed(client: Client, evaluations: Counter[Evaluation]) -> None:
    documents = declared(client.stack.permissions.policy_store)
    found = without_each(documents, evaluations, client.stack.permissions.account)
    assert [str(mutant) for mutant, broken in found.items() if not broken] == []


def test_no_request_of_the_scenario_is_denied(
    evaluations: Counter[Evaluation],
) -> None:
    """The scenario denies one event on purpose. 403 for a missing object is not a denial."""
    denied = {
        (evaluation.principal.name, evaluation.access.action)
        for evaluation in evaluations
        if not evaluation.allowed and not evaluation.request.endswith("of a missing object")
    }
    assert denied == {("events.amazonaws.com", "sqs:SendMessage")}


def test_every_s3_request_has_an_expected_bucket_owner(
    client: Client, evaluations: Counter[Evaluation]
) -> None:
    """A denied request is logged. A denied copy would be read instead."""
    assert [line for line in client.log if NO_OWNER in line] == []
    assert any(evaluation.request == "s3 UploadPartCopy" for evaluation in evaluations)


def test_documented_permissions_are_the_declared_ones(client: Client) -> None:
    """``python -m tests.permissions --write`` writes the table."""
    documents = declared(client.stack.permissions.policy_store)
    assert sorted(keys_in(FILE.read_text())) == sorted(row.key for row in rows(documents))


# Requests without a permission


@contextmanager
def without(client: Client, function: str, action: str, resource: str = "") -> Iterator[None]:
    """Remove an action from a function's role, for resources whose ARN contains ``resource``."""
    policies, iam = client.stack.permissions.policy_store, client.stack.client("iam")
    ((document, kept),) = (
        (document, kept)
        for document in declared(policies)
        if document.kind == "identity" and f"-{function}-" in document.arn
        if (kept := _without(statements(document), action, resource)) != statements(document)
    )
    address = {
        "RoleName": document.arn.rpartition("/")[2],
        "PolicyName": document.name,
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": kept})
    iam.put_role_policy(**address, PolicyDocument=policy)
    try:
        yield
    finally:
        iam.put_role_policy(**address, PolicyDocument=document.text)


def _without(found: list[dict[str, Any]], action: str, resource: str) -> list[dict[str, Any]]:
    less = (_less(statement, action, resource) for statement in found)
    return [statement for statement in less if statement is not None]


def _less(statement: dict[str, Any], action: str, resource: str) -> dict[str, Any] | None:
    if action not in statement["Action"] or resource not in json.dumps(statement["Resource"]):
        return statement
    left = [other for other in statement["Action"] if other != action]
    return {**statement, "Action": left} if left else None


@pytest.mark.parametrize(
    ("action", "resource", "code"),
    [
        ("s3:GetObject", "-source-", "SOURCE_FORBIDDEN"),
        ("s3:PutObject", "-target-", "TARGET_FORBIDDEN"),
        ("kms:GenerateDataKey", ":key/", "TARGET_FORBIDDEN"),
    ],
)
def test_job_without_s3_permission_fails_with_a_reason(
    client: Client, action: str, resource: str, code: str
) -> None:
    prefix = client.put_sources({"one.pdf": b"one"})
    with without(client, "zipper", action, resource):
        job = client.finished(client.post({"keys": [f"{prefix}one.pdf"]}))
    assert (job["status"], job["error"]["code"]) == ("FAILED", code)
    assert any(f"{action} on resource" in line for line in client.log)


def test_missing_object_is_hidden_without_list_permission(client: Client) -> None:
    prefix = client.put_sources({"one.pdf": b"one"})
    with without(client, "zipper", "s3:ListBucket"):
        job = client.finished(client.post({"keys": [f"{prefix}gone.pdf"]}))
    assert job["error"]["code"] == "SOURCE_FORBIDDEN"


@pytest.mark.parametrize("action", ["sqs:SendMessage", "kms:GenerateDataKey"])
def test_request_that_cannot_be_queued_gets_503(client: Client, action: str) -> None:
    with without(client, "enqueue", action):
        assert client.curl("/zip-jobs", "-d", '{"keys": ["a"]}')[0] == 503


def test_link_is_refused_if_its_signer_cannot_read(client: Client) -> None:
    prefix = client.put_sources({"one.pdf": b"one"})
    job = client.finished(client.post({"keys": [f"{prefix}one.pdf"]}))
    with without(client, "status", "s3:GetObject"):
        assert client.curl(job["downloadUrl"])[0] == 403
    assert client.curl(job["downloadUrl"])[0] == 200


def test_api_returns_500_if_it_cannot_invoke_a_function(client: Client) -> None:
    """The permission of one route is missing."""
    (name,) = (name for name in client.stack.functions if "-status-" in name)
    functions = client.stack.client("lambda")
    policy = json.loads(functions.get_policy(FunctionName=name)["Policy"])
    removed = next(
        found
        for found in policy["Statement"]
        if found["Condition"]["ArnLike"]["AWS:SourceArn"].endswith("/GET/zip-jobs/*")
    )
    functions.remove_permission(FunctionName=name, StatementId=removed["Sid"])
    try:
        assert client.curl(f"/zip-jobs/{uuid.uuid4()}")[0] == 500
        assert client.curl("/zip-jobs")[0] == 200
    finally:
        functions.add_permission(
            FunctionName=name,
            StatementId=removed["Sid"],
            Action=removed["Action"],
            Principal=removed["Principal"]["Service"],
            SourceArn=removed["Condition"]["ArnLike"]["AWS:SourceArn"],
        )
    assert client.curl(f"/zip-jobs/{uuid.uuid4()}")[0] == 404
