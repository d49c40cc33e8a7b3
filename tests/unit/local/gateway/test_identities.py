"""Access keys of users and assumed roles are found."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from local.faults.injector import FaultInjector
from local.gateway.identities import create_local_user, find_access_key
from local.server import aws_client, serving_aws

ACCOUNT = "arn:aws:{}::123456789012:{}"


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with serving_aws(FaultInjector(), services=("iam", "sts")) as url:
        create_local_user()
        create_local_user()
        yield url


@pytest.fixture
def iam(url: str) -> Any:
    return aws_client("iam", url, "us-east-1")


@pytest.fixture
def sts(url: str) -> Any:
    return aws_client("sts", url, "us-east-1")


def test_user_local_exists_and_can_identify_itself(sts: Any) -> None:
    key = find_access_key("local")
    assert key is not None
    assert (key.secret, key.user_arn) == ("local", ACCOUNT.format("iam", "user/local"))
    caller = sts.get_caller_identity()
    assert (caller["Arn"], caller["UserId"]) == (key.user_arn, key.user_id)


def test_only_active_keys_of_a_user_are_found(iam: Any) -> None:
    user = iam.create_user(UserName="identities-ann")["User"]
    made = iam.create_access_key(UserName="identities-ann")["AccessKey"]
    key = find_access_key(made["AccessKeyId"])
    assert key is not None
    assert key.secret == made["SecretAccessKey"]
    assert (key.user_arn, key.user_id) == (user["Arn"], user["UserId"])
    names = {"UserName": "identities-ann", "AccessKeyId": made["AccessKeyId"]}
    iam.update_access_key(**names, Status="Inactive")
    assert find_access_key(made["AccessKeyId"]) is None
    iam.update_access_key(**names, Status="Active")
    assert find_access_key(made["AccessKeyId"]) == key
    iam.delete_access_key(**names)
    assert find_access_key(made["AccessKeyId"]) is None


def test_keys_of_an_assumed_role_have_token_and_expiry(iam: Any, sts: Any) -> None:
    trust = json.dumps({"Version": "2012-10-17", "Statement": []})
    role = iam.create_role(RoleName="identities-role", AssumeRolePolicyDocument=trust)["Role"]
    made = sts.assume_role(RoleArn=role["Arn"], RoleSessionName="monday")
    key = find_access_key(made["Credentials"]["AccessKeyId"])
    assert key is not None
    assert key.secret == made["Credentials"]["SecretAccessKey"]
    assert key.session_token == made["Credentials"]["SessionToken"]
    assert key.user_arn == ACCOUNT.format("sts", "assumed-role/identities-role/monday")
    assert key.user_id == f"{role['RoleId']}:monday"
    assert key.expires is not None
    assert abs((key.expires - made["Credentials"]["Expiration"]).total_seconds()) < 2


def test_unknown_key_is_not_found(url: str) -> None:
    assert find_access_key("AKIANOBODY") is None
