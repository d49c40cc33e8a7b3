"""Encryption with AWS's own keys, with the stack's key, or with an existing key."""

import json
from typing import Any

import pytest

from infra import policies
from tests.infra.conftest import ALARM_EMAIL, Declared
from tools.declared import declared

BUCKET_ENCRYPTION = (
    "s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration"
)
OTHER = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"


def program(key: str) -> Declared:
    return Declared(declared("dev", {"alarmEmail": ALARM_EMAIL, "customerKey": key}))


@pytest.fixture(scope="module")
def sealed() -> Declared:
    return program("create")


def keys_of(program: Declared) -> dict[str, Any]:
    """Return the key of each resource that stores data, by type and name."""
    found: dict[str, Any] = {}
    for name, one in program.of(BUCKET_ENCRYPTION).items():
        (rule,) = one.inputs["rules"]
        default = rule["applyServerSideEncryptionByDefault"]
        assert (default["sseAlgorithm"] == "aws:kms") == ("kmsMasterKeyId" in default)
        assert rule.get("bucketKeyEnabled", False) == ("kmsMasterKeyId" in default)
        found[f"bucket {name}"] = default.get("kmsMasterKeyId")
    for kind, type_ in (("queue", "sqs/queue:Queue"), ("topic", "sns/topic:Topic")):
        for name, one in program.of(type_).items():
            found[f"{kind} {name}"] = one.inputs.get("kmsMasterKeyId")
    for name, one in program.of("dynamodb/table:Table").items():
        found[f"table {name}"] = one.inputs.get("serverSideEncryption", {}).get("kmsKeyArn")
    for name, one in program.of("cloudwatch/logGroup:LogGroup").items():
        found[f"log group {name}"] = one.inputs.get("kmsKeyId")
    return found


def test_create_encrypts_everything_with_the_stacks_key(sealed: Declared) -> None:
    (key,) = sealed.of("kms/key:Key").values()
    found = keys_of(sealed)
    assert len(found) == 3 + 3 + 1 + 1 + 7
    assert set(found.values()) == {f"<{key.key}>"}
    queues = sealed.of("sqs/queue:Queue").values()
    assert not any("sqsManagedSseEnabled" in one.inputs for one in queues), "SQS takes one of both"


def test_none_uses_the_keys_of_aws() -> None:
    plain = program("none")
    assert not [one for one in plain.resources.values() if one.type.startswith("aws:kms")]
    assert set(keys_of(plain).values()) == {None}
    (table,) = plain.of("dynamodb/table:Table").values()
    assert table.inputs["serverSideEncryption"] == {"enabled": False}, "left out means unchanged"
    queues = plain.of("sqs/queue:Queue").values()
    assert all(one.inputs["sqsManagedSseEnabled"] for one in queues)


def test_an_existing_key_is_used_and_not_changed() -> None:
    named = program(OTHER)
    assert not [one for one in named.resources.values() if one.type.startswith("aws:kms")]
    assert set(keys_of(named).values()) == {OTHER}
    uses = [one for one in named.of("iam/rolePolicy:RolePolicy").values() if OTHER in str(one)]
    assert len(uses) == 6, "all functions but docs"


def test_the_stacks_key_has_alias_rotation_and_late_deletion(
    sealed: Declared,
) -> None:
    (key,) = sealed.of("kms/key:Key").values()
    assert key.inputs["enableKeyRotation"] is True
    assert key.inputs["deletionWindowInDays"] == 30
    (alias,) = sealed.of("kms/alias:Alias").values()
    assert alias.inputs["name"] == "alias/s3-zip-jobs-dev"
    assert alias.inputs["targetKeyId"] == f"<{key.key}>"


@pytest.mark.parametrize("has_alarms", [True, False])
def test_the_key_policy_names_the_services_that_need_it(has_alarms: bool) -> None:
    """S3 and DynamoDB use the permissions of their caller. Alarms need a topic only with email."""
    text = policies.key_policy("123456789012", "eu-west-1", "zips-prod", has_alarms=has_alarms)
    named = [
        name
        for statement in json.loads(text)["Statement"]
        for name in statement["Principal"].values()
    ]
    alarms = ["cloudwatch.amazonaws.com"] if has_alarms else []
    assert named == [
        "arn:aws:iam::123456789012:root",
        "events.amazonaws.com",
        "logs.eu-west-1.amazonaws.com",
        *alarms,
    ]
