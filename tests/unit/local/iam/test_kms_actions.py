"""What is under a customer key is for those who may use the key, as AWS asks for it."""

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
SEALED_BUCKET, SEALED_QUEUE, SEALED_TABLE = "sealed-bucket", "sealed-queue", "sealed-table"
ROOT = {"AWS": f"arn:aws:iam::{ACCOUNT_ID}:root"}


@dataclass
class Sealed:
    """A bucket, a queue and a table under one key."""

    key_id: str
    key: str
    queue_url: str
    world: World

    def let(self, *statements: Any) -> None:
        """Give the role these, and all that the services themselves ask for."""
        all_of_them = allow(["s3:*", "sqs:*", "dynamodb:*"], "*")
        self.world.let(all_of_them, *statements)

    def say(self, *statements: Any) -> None:
        """Make these the key's policy."""
        self.world.admin("kms").put_key_policy(
            KeyId=self.key_id, PolicyName="default", Policy=document(*statements)
        )


@pytest.fixture(scope="module")
def sealed_world() -> Iterator[Sealed]:
    with living_world("keys") as world:
        yield _seal(world)


def _seal(world: World) -> Sealed:
    metadata = world.admin("kms").create_key(Policy=document(_delegate()))["KeyMetadata"]
    key = metadata["Arn"]
    world.admin("s3").create_bucket(Bucket=SEALED_BUCKET)
    by_default = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key}
    world.admin("s3").put_bucket_encryption(
        Bucket=SEALED_BUCKET,
        ServerSideEncryptionConfiguration={
            "Rules": [{"ApplyServerSideEncryptionByDefault": by_default}]
        },
    )
    url = world.admin("sqs").create_queue(
        QueueName=SEALED_QUEUE, Attributes={"KmsMasterKeyId": key}
    )["QueueUrl"]
    world.admin("dynamodb").create_table(
        TableName=SEALED_TABLE,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        SSESpecification={"Enabled": True, "SSEType": "KMS", "KMSMasterKeyId": key},
    )
    return Sealed(metadata["KeyId"], key, url, world)


@pytest.fixture
def sealed(sealed_world: Sealed) -> Sealed:
    sealed_world.say(_delegate())
    sealed_world.world.admin("s3").put_object(Bucket=SEALED_BUCKET, Key="a", Body=b"a")
    return sealed_world


def _delegate() -> dict[str, Any]:
    """What leaves a key to its account's own policies."""
    return {**allow("kms:*", "*"), "Principal": ROOT}


def use(sealed: Sealed, *actions: str, by: str = "s3") -> dict[str, Any]:
    return dict(use_key([f"kms:{action}" for action in actions], sealed.key, REGION, [by]))


def test_an_object_is_read_by_those_who_may_decrypt(sealed: Sealed) -> None:
    s3 = sealed.world.role("s3")
    sealed.let()
    error = denied(lambda: s3.get_object(Bucket=SEALED_BUCKET, Key="a"))
    assert (error["Code"], error["HTTPStatusCode"]) == ("AccessDenied", 403)
    assert f"kms:Decrypt on resource: {sealed.key}" in error["Message"]
    sealed.let(use(sealed, "Decrypt"))
    assert s3.get_object(Bucket=SEALED_BUCKET, Key="a")["Body"].read() == b"a"


def test_what_is_under_no_key_needs_none(sealed: Sealed) -> None:
    sealed.let()
    sealed.world.role("s3").put_object(Bucket=PLAIN_BUCKET, Key="plain", Body=b"a")
    sealed.world.role("dynamodb").put_item(TableName=PLAIN_TABLE, Item={"id": {"S": "plain"}})


def test_an_object_is_written_by_those_who_may_have_data_keys_made(sealed: Sealed) -> None:
    s3 = sealed.world.role("s3")
    sealed.let(use(sealed, "Decrypt"))
    error = denied(lambda: s3.put_object(Bucket=SEALED_BUCKET, Key="b", Body=b"b"))
    assert "kms:GenerateDataKey" in error["Message"]
    sealed.let(use(sealed, "GenerateDataKey"))
    s3.put_object(Bucket=SEALED_BUCKET, Key="b", Body=b"b")


def test_an_upload_in_parts_needs_decryption_too(sealed: Sealed) -> None:
    s3 = sealed.world.role("s3")
    sealed.let(use(sealed, "GenerateDataKey"))
    error = denied(lambda: s3.create_multipart_upload(Bucket=SEALED_BUCKET, Key="c"))
    assert "kms:Decrypt" in error["Message"]
    sealed.let(use(sealed, "GenerateDataKey", "Decrypt"))
    s3.create_multipart_upload(Bucket=SEALED_BUCKET, Key="c")


def test_to_copy_is_to_decrypt_the_source(sealed: Sealed) -> None:
    s3 = sealed.world.role("s3")
    upload = sealed.world.admin("s3").create_multipart_upload(Bucket=PLAIN_BUCKET, Key="d")[
        "UploadId"
    ]

    def copy() -> Any:
        source = {"Bucket": SEALED_BUCKET, "Key": "a"}
        at = {"Bucket": PLAIN_BUCKET, "Key": "d", "UploadId": upload, "PartNumber": 1}
        return s3.upload_part_copy(CopySource=source, **at)

    sealed.let()
    assert "kms:Decrypt" in denied(copy)["Message"]
    sealed.let(*use_object_keys(["kms:Decrypt"], [sealed.key]))
    copy()


def test_a_queue_is_sent_to_and_read_by_those_who_may(sealed: Sealed) -> None:
    sqs = sealed.world.role("sqs")
    sealed.let(use(sealed, "Decrypt", by="sqs"))
    error = denied(lambda: sqs.send_message(QueueUrl=sealed.queue_url, MessageBody="x"))
    assert "kms:GenerateDataKey" in error["Message"]
    sqs.receive_message(QueueUrl=sealed.queue_url)
    sealed.let(use(sealed, "GenerateDataKey", by="sqs"))
    assert (
        "kms:Decrypt" in denied(lambda: sqs.receive_message(QueueUrl=sealed.queue_url))["Message"]
    )


def test_a_table_is_for_those_who_may_decrypt(sealed: Sealed) -> None:
    table = sealed.world.role("dynamodb")
    sealed.let()
    item = {"id": {"S": "x"}}
    assert (
        "kms:Decrypt"
        in denied(lambda: table.put_item(TableName=SEALED_TABLE, Item=item))["Message"]
    )
    sealed.let(use(sealed, "Decrypt", by="dynamodb"))
    table.put_item(TableName=SEALED_TABLE, Item=item)


def test_a_service_through_which_the_key_may_not_be_used_is_refused(sealed: Sealed) -> None:
    sealed.let(use(sealed, "Decrypt", by="dynamodb"))
    s3 = sealed.world.role("s3")
    assert "kms:Decrypt" in denied(lambda: s3.get_object(Bucket=SEALED_BUCKET, Key="a"))["Message"]


def test_a_role_s_policy_counts_only_if_the_key_leaves_it_to_the_account(sealed: Sealed) -> None:
    """Unlike anywhere else within an account."""
    s3 = sealed.world.role("s3")
    sealed.let(use(sealed, "Decrypt"))
    sealed.say({**allow("kms:*", "*"), "Principal": {"AWS": "arn:aws:iam::111122223333:root"}})
    error = denied(lambda: s3.get_object(Bucket=SEALED_BUCKET, Key="a"))
    assert "no resource-based policy allows the kms:Decrypt action" in error["Message"]
    role = {"AWS": f"arn:aws:iam::{ACCOUNT_ID}:role/keys-role"}
    sealed.let()
    sealed.say({**allow("kms:Decrypt", "*"), "Principal": role})
    assert s3.get_object(Bucket=SEALED_BUCKET, Key="a")["Body"].read() == b"a"


def test_eventbridge_sends_to_a_sealed_queue_if_queue_and_key_let_it(sealed: Sealed) -> None:
    queue = f"arn:aws:sqs:{REGION}:{ACCOUNT_ID}:{SEALED_QUEUE}"
    sends = {**allow("sqs:SendMessage", queue), "Principal": {"Service": "events.amazonaws.com"}}
    sealed.world.admin("sqs").set_queue_attributes(
        QueueUrl=sealed.queue_url, Attributes={"Policy": document(sends)}
    )
    permissions = sealed.world.permissions
    access = Access.on_behalf_of("arn:rule", "sqs:SendMessage", queue, ACCOUNT_ID)
    assert not permissions.is_allowed(EVENT_BRIDGE, "delivers an event", access)
    uses = allow(["kms:GenerateDataKey", "kms:Decrypt"], "*")
    sealed.say(_delegate(), {**uses, "Principal": {"Service": "events.amazonaws.com"}})
    assert permissions.is_allowed(EVENT_BRIDGE, "delivers an event", access)


def test_eventbridge_does_not_tell_a_key_for_which_rule_it_comes(sealed: Sealed) -> None:
    """As AWS: a condition on it would have no event delivered."""
    queue = f"arn:aws:sqs:{REGION}:{ACCOUNT_ID}:{SEALED_QUEUE}"
    for_a_rule = json.loads(
        document(
            {
                **allow(["kms:GenerateDataKey", "kms:Decrypt"], "*"),
                "Principal": {"Service": "events.amazonaws.com"},
                "Condition": {"ArnEquals": {"aws:SourceArn": "arn:rule"}},
            }
        )
    )["Statement"]
    sealed.say(_delegate(), *for_a_rule)
    access = Access.on_behalf_of("arn:rule", "sqs:SendMessage", queue, ACCOUNT_ID)
    assert not sealed.world.permissions.is_allowed(EVENT_BRIDGE, "delivers an event", access)
