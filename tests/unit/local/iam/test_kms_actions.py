"""Encrypted resources require the KMS permissions that AWS requires."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from infra.policies import use_key, use_object_keys
from local.iam.evaluation import Access
from local.iam.event_delivery import EVENT_BRIDGE
from local.names import ACCOUNT_ID
from tests.unit.local.iam.world import REGION, World, allow, denied, document, living_world

PLAIN_BUCKET, PLAIN_TABLE = "keys-bucket", "keys-table"
ENCRYPTED_BUCKET, ENCRYPTED_QUEUE, ENCRYPTED_TABLE = (
    "encrypted-bucket",
    "encrypted-queue",
    "encrypted-table",
)
ROOT = {"AWS": f"arn:aws:iam::{ACCOUNT_ID}:root"}


@dataclass
class EncryptedWorld:
    """A bucket, a queue and a table encrypted with one key."""

    key_id: str
    key: str
    queue_url: str
    world: World

    def allow(self, *statements: Any) -> None:
        """Allow the role these statements, and all actions of the services."""
        all_of_them = allow(["s3:*", "sqs:*", "dynamodb:*"], "*")
        self.world.allow(all_of_them, *statements)

    def set_key_policy(self, *statements: Any) -> None:
        """Replace the key's policy."""
        self.world.admin("kms").put_key_policy(
            KeyId=self.key_id, PolicyName="default", Policy=document(*statements)
        )


@pytest.fixture(scope="module")
def encrypted_world() -> Iterator[EncryptedWorld]:
    with living_world("keys") as world:
        yield _encrypt(world)


def _encrypt(world: World) -> EncryptedWorld:
    metadata = world.admin("kms").create_key(Policy=document(_delegate()))["KeyMetadata"]
    key = metadata["Arn"]
    world.admin("s3").create_bucket(Bucket=ENCRYPTED_BUCKET)
    by_default = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key}
    world.admin("s3").put_bucket_encryption(
        Bucket=ENCRYPTED_BUCKET,
        ServerSideEncryptionConfiguration={
            "Rules": [{"ApplyServerSideEncryptionByDefault": by_default}]
        },
    )
    url = world.admin("sqs").create_queue(
        QueueName=ENCRYPTED_QUEUE, Attributes={"KmsMasterKeyId": key}
    )["QueueUrl"]
    world.admin("dynamodb").create_table(
        TableName=ENCRYPTED_TABLE,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        SSESpecification={"Enabled": True, "SSEType": "KMS", "KMSMasterKeyId": key},
    )
    return EncryptedWorld(metadata["KeyId"], key, url, world)


@pytest.fixture
def encrypted(encrypted_world: EncryptedWorld) -> EncryptedWorld:
    encrypted_world.set_key_policy(_delegate())
    encrypted_world.world.admin("s3").put_object(Bucket=ENCRYPTED_BUCKET, Key="a", Body=b"a")
    return encrypted_world


def _delegate() -> dict[str, Any]:
    """Return the statement that delegates a key to its account's policies."""
    return {**allow("kms:*", "*"), "Principal": ROOT}


def use(encrypted: EncryptedWorld, *actions: str, by: str = "s3") -> dict[str, Any]:
    return dict(use_key([f"kms:{action}" for action in actions], encrypted.key, REGION, [by]))


def test_reading_an_object_needs_decrypt(encrypted: EncryptedWorld) -> None:
    s3 = encrypted.world.role("s3")
    encrypted.allow()
    error = denied(lambda: s3.get_object(Bucket=ENCRYPTED_BUCKET, Key="a"))
    assert (error["Code"], error["HTTPStatusCode"]) == ("AccessDenied", 403)
    assert f"kms:Decrypt on resource: {encrypted.key}" in error["Message"]
    encrypted.allow(use(encrypted, "Decrypt"))
    assert s3.get_object(Bucket=ENCRYPTED_BUCKET, Key="a")["Body"].read() == b"a"


def test_unencrypted_resources_need_no_key(encrypted: EncryptedWorld) -> None:
    encrypted.allow()
    encrypted.world.role("s3").put_object(Bucket=PLAIN_BUCKET, Key="plain", Body=b"a")
    encrypted.world.role("dynamodb").put_item(TableName=PLAIN_TABLE, Item={"id": {"S": "plain"}})


def test_writing_an_object_needs_generate_data_key(encrypted: EncryptedWorld) -> None:
    s3 = encrypted.world.role("s3")
    encrypted.allow(use(encrypted, "Decrypt"))
    error = denied(lambda: s3.put_object(Bucket=ENCRYPTED_BUCKET, Key="b", Body=b"b"))
    assert "kms:GenerateDataKey" in error["Message"]
    encrypted.allow(use(encrypted, "GenerateDataKey"))
    s3.put_object(Bucket=ENCRYPTED_BUCKET, Key="b", Body=b"b")


def test_multipart_upload_needs_decrypt_too(encrypted: EncryptedWorld) -> None:
    s3 = encrypted.world.role("s3")
    encrypted.allow(use(encrypted, "GenerateDataKey"))
    error = denied(lambda: s3.create_multipart_upload(Bucket=ENCRYPTED_BUCKET, Key="c"))
    assert "kms:Decrypt" in error["Message"]
    encrypted.allow(use(encrypted, "GenerateDataKey", "Decrypt"))
    s3.create_multipart_upload(Bucket=ENCRYPTED_BUCKET, Key="c")


def test_copy_needs_decrypt_of_the_source(encrypted: EncryptedWorld) -> None:
    s3 = encrypted.world.role("s3")
    upload = encrypted.world.admin("s3").create_multipart_upload(Bucket=PLAIN_BUCKET, Key="d")[
        "UploadId"
    ]

    def copy() -> Any:
        source = {"Bucket": ENCRYPTED_BUCKET, "Key": "a"}
        at = {"Bucket": PLAIN_BUCKET, "Key": "d", "UploadId": upload, "PartNumber": 1}
        return s3.upload_part_copy(CopySource=source, **at)

    encrypted.allow()
    assert "kms:Decrypt" in denied(copy)["Message"]
    encrypted.allow(*use_object_keys(["kms:Decrypt"], [encrypted.key]))
    copy()


def test_encrypted_queue_needs_kms_permissions(encrypted: EncryptedWorld) -> None:
    sqs = encrypted.world.role("sqs")
    encrypted.allow(use(encrypted, "Decrypt", by="sqs"))
    error = denied(lambda: sqs.send_message(QueueUrl=encrypted.queue_url, MessageBody="x"))
    assert "kms:GenerateDataKey" in error["Message"]
    sqs.receive_message(QueueUrl=encrypted.queue_url)
    encrypted.allow(use(encrypted, "GenerateDataKey", by="sqs"))
    assert (
        "kms:Decrypt"
        in denied(lambda: sqs.receive_message(QueueUrl=encrypted.queue_url))["Message"]
    )


def test_encrypted_table_needs_decrypt(encrypted: EncryptedWorld) -> None:
    table = encrypted.world.role("dynamodb")
    encrypted.allow()
    item = {"id": {"S": "x"}}
    assert (
        "kms:Decrypt"
        in denied(lambda: table.put_item(TableName=ENCRYPTED_TABLE, Item=item))["Message"]
    )
    encrypted.allow(use(encrypted, "Decrypt", by="dynamodb"))
    table.put_item(TableName=ENCRYPTED_TABLE, Item=item)


def test_key_policy_can_restrict_the_service(encrypted: EncryptedWorld) -> None:
    encrypted.allow(use(encrypted, "Decrypt", by="dynamodb"))
    s3 = encrypted.world.role("s3")
    assert (
        "kms:Decrypt" in denied(lambda: s3.get_object(Bucket=ENCRYPTED_BUCKET, Key="a"))["Message"]
    )


def test_role_policy_needs_delegation_by_the_key_policy(encrypted: EncryptedWorld) -> None:
    """Other resources need no delegation within an account."""
    s3 = encrypted.world.role("s3")
    encrypted.allow(use(encrypted, "Decrypt"))
    encrypted.set_key_policy(
        {**allow("kms:*", "*"), "Principal": {"AWS": "arn:aws:iam::111122223333:root"}}
    )
    error = denied(lambda: s3.get_object(Bucket=ENCRYPTED_BUCKET, Key="a"))
    assert "no resource-based policy allows the kms:Decrypt action" in error["Message"]
    role = {"AWS": f"arn:aws:iam::{ACCOUNT_ID}:role/keys-role"}
    encrypted.allow()
    encrypted.set_key_policy({**allow("kms:Decrypt", "*"), "Principal": role})
    assert s3.get_object(Bucket=ENCRYPTED_BUCKET, Key="a")["Body"].read() == b"a"


def test_eventbridge_needs_queue_and_key_policy(encrypted: EncryptedWorld) -> None:
    queue = f"arn:aws:sqs:{REGION}:{ACCOUNT_ID}:{ENCRYPTED_QUEUE}"
    sends = {**allow("sqs:SendMessage", queue), "Principal": {"Service": "events.amazonaws.com"}}
    encrypted.world.admin("sqs").set_queue_attributes(
        QueueUrl=encrypted.queue_url, Attributes={"Policy": document(sends)}
    )
    permissions = encrypted.world.permissions
    access = Access.on_behalf_of("arn:rule", "sqs:SendMessage", queue, ACCOUNT_ID)
    assert not permissions.is_allowed(EVENT_BRIDGE, "delivers an event", access)
    uses = allow(["kms:GenerateDataKey", "kms:Decrypt"], "*")
    encrypted.set_key_policy(
        _delegate(), {**uses, "Principal": {"Service": "events.amazonaws.com"}}
    )
    assert permissions.is_allowed(EVENT_BRIDGE, "delivers an event", access)


def test_eventbridge_sends_no_source_arn_to_kms(encrypted: EncryptedWorld) -> None:
    """As on AWS: with such a condition, no event would be delivered."""
    queue = f"arn:aws:sqs:{REGION}:{ACCOUNT_ID}:{ENCRYPTED_QUEUE}"
    for_a_rule = json.loads(
        document(
            {
                **allow(["kms:GenerateDataKey", "kms:Decrypt"], "*"),
                "Principal": {"Service": "events.amazonaws.com"},
                "Condition": {"ArnEquals": {"aws:SourceArn": "arn:rule"}},
            }
        )
    )["Statement"]
    encrypted.set_key_policy(_delegate(), *for_a_rule)
    access = Access.on_behalf_of("arn:rule", "sqs:SendMessage", queue, ACCOUNT_ID)
    assert not encrypted.world.permissions.is_allowed(EVENT_BRIDGE, "delivers an event", access)
