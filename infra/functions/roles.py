"""The functions' roles, and their permission to use the customer key."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from infra import policies
from infra.config.settings import Settings
from infra.encryption import Key
from infra.stack import account_id


@dataclass(frozen=True)
class KeyUse:
    """The actions of KMS that a function needs, and the services that act for it."""

    actions: Sequence[str]
    services: Sequence[str]


ALL_SERVICES = ("s3", "sqs", "dynamodb")

KEY_USES: Mapping[str, KeyUse | None] = {
    "enqueue": KeyUse(policies.ENCRYPT, ALL_SERVICES),
    "status": KeyUse(policies.DECRYPT, ("s3", "dynamodb")),
    "cancel": KeyUse(policies.ENCRYPT, ("s3", "dynamodb")),
    "docs": None,
    "zipper": KeyUse(policies.ENCRYPT, ALL_SERVICES),
    "dead-letter": KeyUse(policies.ENCRYPT, ALL_SERVICES),
    "reconciler": KeyUse(policies.ENCRYPT, ALL_SERVICES),
}
"""Each function, by name."""


class Roles(pulumi.ComponentResource):
    """The role of each function, by the function's name.

    ``key_policies`` are the documents that allow the use of the customer key, if there is one.
    ``key`` is the customer key for everything that the functions use. What depends on it is
    encrypted after the functions may use the key: otherwise they would fail for a minute when a
    running stack gets a key.
    """

    def __init__(
        self, settings: Settings, key: Key, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("s3zipjobs:infra:Roles", f"{settings.prefix}-roles", None, opts)
        self.by_function: dict[str, aws.iam.Role] = {}
        self.key_policies: dict[str, pulumi.Output[str]] = {}
        permissions: list[aws.iam.RolePolicy] = []
        for name, use in KEY_USES.items():
            role = self._role(settings, name)
            self.by_function[name] = role
            if key is not None and use is not None:
                self.key_policies[name] = document = _document(settings, key, use)
                permissions.append(
                    aws.iam.RolePolicy(
                        f"{settings.prefix}-{name}-key",
                        role=role.name,
                        policy=document,
                        opts=pulumi.ResourceOptions(parent=self),
                    )
                )
        self.key: Key = None
        if key is not None:
            ids = [permission.id for permission in permissions]
            self.key = pulumi.Output.all(key, *ids).apply(lambda found: str(found[0]))
        self.register_outputs({})

    def _role(self, settings: Settings, name: str) -> aws.iam.Role:
        full_name = f"{settings.prefix}-{name}"
        former_parent = pulumi.create_urn(
            f"{settings.prefix}-functions", "s3zipjobs:infra:Functions"
        )
        return aws.iam.Role(
            full_name,
            assume_role_policy=account_id().apply(policies.assumable_by_lambda),
            opts=pulumi.ResourceOptions(
                parent=self, aliases=[pulumi.Alias(name=full_name, parent=former_parent)]
            ),
        )


def _document(settings: Settings, key: pulumi.Output[str], use: KeyUse) -> pulumi.Output[str]:
    def document(key_arn: str) -> str:
        statement = policies.use_key(use.actions, key_arn, settings.region, use.services)
        return policies.document(statement)

    return key.apply(document)
