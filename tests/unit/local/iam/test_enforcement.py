"""A role's session can do what its policies allow; other requests are denied as on AWS."""

import json
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
import urllib3

from local.names import ACCOUNT_ID
from tests.unit.local.iam.world import (
    REGION,
    World,
    allow,
    denied,
    document,
    living_world,
)

BUCKET, TABLE, QUEUE, BUS = "iam-bucket", "iam-table", "iam-queue", "iam-bus"


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with living_world("iam") as world:
        yield world


@pytest.fixture(autouse=True)
def nothing_is_allowed(world: World) -> None:
    world.allow()
    world.denials.clear()


def url_of(queue: str) -> str:
    return f"http://127.0.0.1/{ACCOUNT_ID}/{queue}"


class TestDenials:
    """A denial has the format of the service."""

    def test_s3(self, world: World) -> None:
        error = denied(lambda: world.role("s3").get_object(Bucket=BUCKET, Key="a"))
        assert (error["Code"], error["HTTPStatusCode"]) == ("AccessDenied", 403)
        assert "s3:GetObject" in error["Message"]
        assert f"arn:aws:s3:::{BUCKET}/a" in error["Message"]

    def test_s3_without_a_body(self, world: World) -> None:
        error = denied(lambda: world.role("s3").head_object(Bucket=BUCKET, Key="a"))
        assert (error["Code"], error["HTTPStatusCode"]) == ("403", 403)

    def test_dynamodb(self, world: World) -> None:
        error = denied(lambda: world.role("dynamodb").describe_table(TableName=TABLE))
        assert (error["Code"], error["HTTPStatusCode"]) == ("AccessDeniedException", 400)

    def test_sqs(self, world: World) -> None:
        sqs = world.role("sqs")
        error = denied(lambda: sqs.send_message(QueueUrl=url_of(QUEUE), MessageBody="x"))
        assert (error["Code"], error["HTTPStatusCode"]) == ("AccessDenied", 403)

    def test_events(self, world: World) -> None:
        entry = {"Source": "s", "DetailType": "d", "Detail": "{}"}
        error = denied(lambda: world.role("events").put_events(Entries=[entry]))
        assert error["Code"] == "AccessDeniedException"

    def test_a_query_api(self, world: World) -> None:
        error = denied(lambda: world.role("iam").list_roles())
        assert (error["Code"], error["HTTPStatusCode"]) == ("AccessDenied", 403)


def test_log_names_principal_action_and_resource(world: World) -> None:
    denied(lambda: world.role("s3").get_object(Bucket=BUCKET, Key="a"))
    (line,) = world.denials
    assert line.startswith("zipper: AccessDenied: User: arn:aws:sts::")
    assert f"s3:GetObject on resource: arn:aws:s3:::{BUCKET}/a" in line


def test_unknown_operation_is_denied(world: World) -> None:
    world.allow(allow("*", "*"))
    error = denied(lambda: world.role("s3").get_bucket_policy(Bucket=BUCKET))
    assert error["Code"] == "AccessDenied"
    assert "local/iam/required_actions.py" in world.denials[0]


def test_allowed_requests_succeed(world: World) -> None:
    world.admin("s3").put_object(Bucket=BUCKET, Key="allowed", Body=b"abc")
    world.allow(allow("s3:GetObject", f"arn:aws:s3:::{BUCKET}/allowed"))
    assert world.role("s3").get_object(Bucket=BUCKET, Key="allowed")["Body"].read() == b"abc"
    assert world.denials == []


def test_not_found_needs_list_permission(world: World) -> None:
    s3 = world.role("s3")
    read = allow("s3:GetObject", f"arn:aws:s3:::{BUCKET}/*")
    world.allow(read)
    assert denied(lambda: s3.get_object(Bucket=BUCKET, Key="gone"))["Code"] == "AccessDenied"
    assert denied(lambda: s3.head_object(Bucket=BUCKET, Key="gone"))["Code"] == "403"
    world.allow(read, allow("s3:ListBucket", f"arn:aws:s3:::{BUCKET}"))
    assert denied(lambda: s3.get_object(Bucket=BUCKET, Key="gone"))["Code"] == "NoSuchKey"
    assert denied(lambda: s3.head_object(Bucket=BUCKET, Key="gone"))["Code"] == "404"
    assert world.denials == []


def test_presigned_link_has_the_signers_permissions(world: World) -> None:
    world.admin("s3").put_object(Bucket=BUCKET, Key="linked", Body=b"abc")
    address = {"Bucket": BUCKET, "Key": "linked"}
    link = world.role("s3").generate_presigned_url("get_object", Params=address)
    assert urllib3.request("GET", link).status == 403
    world.allow(allow("s3:GetObject", f"arn:aws:s3:::{BUCKET}/linked"))
    assert urllib3.request("GET", link).data == b"abc"


def test_delete_objects_deletes_only_allowed_keys(world: World) -> None:
    for key in ("keep/1", "drop/1", "drop/2"):
        world.admin("s3").put_object(Bucket=BUCKET, Key=key, Body=b"")

    def delete(*keys: str) -> Any:
        objects = {"Objects": [{"Key": key} for key in keys]}
        return world.role("s3").delete_objects(Bucket=BUCKET, Delete=objects)

    world.allow(allow("s3:DeleteObject", f"arn:aws:s3:::{BUCKET}/drop/*"))
    response = delete("keep/1", "drop/1", "drop/2")
    assert {found["Key"] for found in response["Deleted"]} == {"drop/1", "drop/2"}
    assert [(found["Key"], found["Code"]) for found in response["Errors"]] == [
        ("keep/1", "AccessDenied")
    ]
    response = delete("keep/1")
    assert (response.get("Deleted"), len(response["Errors"])) == (None, 1)
    assert world.admin("s3").head_object(Bucket=BUCKET, Key="keep/1")


def test_bucket_policy_allows_and_denies(world: World) -> None:
    s3 = world.role("s3")
    resource = f"arn:aws:s3:::{BUCKET}/shared"
    role = {"AWS": f"arn:aws:iam::{ACCOUNT_ID}:role/iam-role"}
    give = allow("s3:PutObject", resource, Principal=role)
    take = {**give, "Effect": "Deny", "Principal": "*"}
    put = world.admin("s3").put_bucket_policy
    put(Bucket=BUCKET, Policy=document(give))
    s3.put_object(Bucket=BUCKET, Key="shared", Body=b"")
    put(Bucket=BUCKET, Policy=document(give, take))
    world.allow(allow("s3:PutObject", resource))
    error = denied(lambda: s3.put_object(Bucket=BUCKET, Key="shared", Body=b""))
    assert "explicit deny in a resource-based policy" in error["Message"]
    world.admin("s3").delete_bucket_policy(Bucket=BUCKET)


def test_bucket_policy_requiring_tls_allows_the_stack(world: World) -> None:
    """Loopback has no TLS, and moto's own check of the policy denies everything."""
    insecure = {"Bool": {"aws:SecureTransport": "false"}}
    everything = [f"arn:aws:s3:::{BUCKET}", f"arn:aws:s3:::{BUCKET}/*"]
    statement = {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Condition": insecure}
    s3 = world.admin("s3")
    s3.put_bucket_policy(Bucket=BUCKET, Policy=document({**statement, "Resource": everything}))
    world.allow(allow("s3:PutObject", f"arn:aws:s3:::{BUCKET}/*"))
    world.role("s3").put_object(Bucket=BUCKET, Key="over-tls", Body=b"")
    s3.delete_bucket_policy(Bucket=BUCKET)


class TestDeliveries:
    """EventBridge sends only what queue policies allow."""

    @pytest.fixture
    def rule(self, world: World) -> str:
        events = world.admin("events")  # on its own bus, without rules of other tests
        with suppress(events.exceptions.ResourceAlreadyExistsException):
            events.create_event_bus(Name=BUS)
        pattern = '{"source": ["iam"]}'
        created = events.put_rule(Name="iam-rule", EventBusName=BUS, EventPattern=pattern)
        arn: str = created["RuleArn"]
        target = {
            "Id": "1",
            "Arn": f"arn:aws:sqs:{REGION}:{ACCOUNT_ID}:{QUEUE}",
            "DeadLetterConfig": {"Arn": f"arn:aws:sqs:{REGION}:{ACCOUNT_ID}:{QUEUE}-dead"},
        }
        events.put_targets(Rule="iam-rule", EventBusName=BUS, Targets=[target])
        return arn

    def receive(self, world: World, queue: str) -> list[Any]:
        response = world.admin("sqs").receive_message(
            QueueUrl=url_of(queue), MessageAttributeNames=["All"]
        )
        found: list[Any] = response.get("Messages", [])
        for message in found:
            world.admin("sqs").delete_message(
                QueueUrl=url_of(queue), ReceiptHandle=message["ReceiptHandle"]
            )
        return found

    def permit(self, world: World, queue: str, rule: str) -> None:
        arn = f"arn:aws:sqs:{REGION}:{ACCOUNT_ID}:{queue}"
        only = {"ArnEquals": {"aws:SourceArn": rule}}
        service = {"Service": "events.amazonaws.com"}
        policy = document(allow("sqs:SendMessage", arn, Principal=service, Condition=only))
        world.admin("sqs").set_queue_attributes(
            QueueUrl=url_of(queue), Attributes={"Policy": policy}
        )

    def put(self, world: World) -> None:
        entry = {"EventBusName": BUS, "Source": "iam", "DetailType": "d", "Detail": '{"a": 1}'}
        world.admin("events").put_events(Entries=[entry])

    def test_event_is_lost_without_a_queue_policy(self, world: World, rule: str) -> None:
        self.put(world)
        assert self.receive(world, QUEUE) == self.receive(world, f"{QUEUE}-dead") == []
        assert len(world.denials) == 2
        assert "events.amazonaws.com is not authorized to perform: sqs:SendMess" in world.denials[0]

    def test_event_becomes_dead_letter_if_target_denies_it(self, world: World, rule: str) -> None:
        self.permit(world, QUEUE, f"{rule}-other")
        self.permit(world, f"{QUEUE}-dead", rule)
        self.put(world)
        assert self.receive(world, QUEUE) == []
        (message,) = self.receive(world, f"{QUEUE}-dead")
        assert json.loads(message["Body"])["detail"] == {"a": 1}
        attributes = message["MessageAttributes"]
        assert attributes["ERROR_CODE"]["StringValue"] == "NO_PERMISSIONS"
        assert attributes["RULE_ARN"]["StringValue"] == rule

    def test_event_arrives_if_queue_policy_allows_the_rule(self, world: World, rule: str) -> None:
        """The policy remains when another attribute of the queue is set."""
        self.permit(world, QUEUE, rule)
        world.admin("sqs").set_queue_attributes(
            QueueUrl=url_of(QUEUE), Attributes={"VisibilityTimeout": "1"}
        )
        self.put(world)
        assert len(self.receive(world, QUEUE)) == 1
