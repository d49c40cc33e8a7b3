"""An embedded AWS with a role, for tests of its permissions."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from local.faults.injector import FaultInjector
from local.iam.event_delivery import enforced_queue_policies
from local.iam.permissions import Permissions
from local.names import ACCOUNT_ID
from local.server import aws_client, serving_aws
from zipjobs.s3.bucket_owners import BucketOwners

REGION = "us-east-1"
SERVICES = ("s3", "dynamodb", "sqs", "events", "iam", "kms", "sts")
TRUST_LAMBDA = {
    "Effect": "Allow",
    "Principal": {"Service": "lambda.amazonaws.com"},
    "Action": "sts:AssumeRole",
}

NOTHING = {"Effect": "Deny", "Action": "iam:PassRole", "Resource": "*"}
"""Allows nothing: moto requires a statement."""


def document(*statements: Any) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


def allow(action: str | list[str], resource: str, **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


@dataclass
class World:
    """An embedded AWS with a role, and clients of its administrator and of the role.

    All names begin with ``name``, because the tests of a process share one account.
    """

    name: str
    permissions: Permissions
    admin: Callable[[str], Any]
    role: Callable[[str], Any]
    denials: list[str]

    def allow(self, *statements: Any) -> None:
        """Replace the role's policy."""
        statements = statements or (NOTHING,)
        self.admin("iam").put_role_policy(
            RoleName=f"{self.name}-role", PolicyName="all", PolicyDocument=document(*statements)
        )


@contextmanager
def living_world(name: str) -> Iterator[World]:
    """Run an embedded AWS with a bucket, a table, a queue and a dead-letter queue."""
    denials: list[str] = []
    permissions = Permissions(ACCOUNT_ID, lambda who, line: denials.append(f"{who}: {line}"))
    with (
        serving_aws(FaultInjector(), services=SERVICES, permissions=permissions) as url,
        enforced_queue_policies(permissions),
    ):

        def admin(service: str) -> Any:
            return aws_client(service, url, REGION)

        admin("s3").create_bucket(Bucket=f"{name}-bucket")
        admin("dynamodb").create_table(
            TableName=f"{name}-table",
            BillingMode="PAY_PER_REQUEST",
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        )
        for queue in (f"{name}-queue", f"{name}-queue-dead"):
            admin("sqs").create_queue(QueueName=queue)
        admin("iam").create_role(
            RoleName=f"{name}-role", AssumeRolePolicyDocument=document(TRUST_LAMBDA)
        )
        credentials = admin("sts").assume_role(
            RoleArn=f"arn:aws:iam::{ACCOUNT_ID}:role/{name}-role", RoleSessionName="zipper"
        )["Credentials"]
        session = boto3.Session(
            credentials["AccessKeyId"],
            credentials["SecretAccessKey"],
            credentials["SessionToken"],
            region_name=REGION,
        )

        def role(service: str) -> Any:
            config = Config(signature_version="s3v4") if service == "s3" else None
            client = session.client(service, endpoint_url=url, config=config)  # type: ignore[call-overload]
            if service == "s3":
                BucketOwners(ACCOUNT_ID).watch(client)
            return client

        yield World(name, permissions, admin, role, denials)


def denied(call: Callable[[], Any]) -> dict[str, Any]:
    """Return the error of a denied call."""
    with pytest.raises(ClientError) as raised:
        call()
    return {**raised.value.response["Error"], **raised.value.response["ResponseMetadata"]}
