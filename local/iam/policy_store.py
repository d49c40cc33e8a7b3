"""The sessions and policies that moto stores.

They are read again for each request, so changes take effect at once.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from moto.awslambda.models import lambda_backends
from moto.dynamodb.models import dynamodb_backends
from moto.iam.models import Role, iam_backends
from moto.kms.models import kms_backends
from moto.logs.models import logs_backends
from moto.s3.models import FakeBucket, s3_backends
from moto.sqs.models import sqs_backends
from moto.sts.models import sts_backends

from local.iam.evaluation import Access, ApplicablePolicies, Principal
from local.iam.policy import VERSION, Kind, parse_policy
from local.names import PARTITION


@dataclass(frozen=True)
class PolicyDocument:
    """A policy as JSON: the policy ``name`` of a role, or the policy of the resource ``arn``."""

    kind: Kind
    arn: str
    name: str
    text: str = field(repr=False)


class PolicyStore:
    """The policies of one of moto's accounts."""

    def __init__(self, account: str) -> None:
        self._account = account
        self._sessions: dict[str, Principal | None] = {}

    def session(self, access_key_id: str) -> Principal | None:
        """Return the role session with this access key, or None if it belongs to no role."""
        if access_key_id not in self._sessions:
            sts = sts_backends[self._account][PARTITION]
            role = sts.get_assumed_role_from_access_key(access_key_id)
            self._sessions[access_key_id] = (
                Principal(role.arn, role.role_arn, self._account) if role else None
            )
        return self._sessions[access_key_id]

    def applicable(self, access: Access, principal: Principal) -> ApplicablePolicies:
        """Return all policies that apply to ``access`` by ``principal``. Raises PolicyError."""
        role_policies = {} if principal.is_service else self.role_policies(principal.role_arn)
        resource_policy = self.resource_policy(access.resource)
        kind: Kind = "trust" if access.action == "sts:AssumeRole" else "resource"
        return ApplicablePolicies(
            identity=[parse_policy(text, "identity") for text in role_policies.values()],
            resource=parse_policy(resource_policy, kind) if resource_policy else None,
            only_resource=access.action in ("lambda:InvokeFunction", "sts:AssumeRole"),
            needs_delegation=access.action.startswith("kms:"),
        )

    def role_policies(self, role_arn: str) -> Mapping[str, str]:
        """Return a role's policies as JSON, by name."""
        role = self._role(role_arn)
        return role.policies if role else {}

    def resource_policy(self, arn: str) -> str | None:
        """Return the policy of a resource as JSON, if it has one.

        A bucket's policy applies to its objects too. A role's resource policy is its trust policy.
        """
        _, _, service, region, _, name = arn.split(":", 5)
        if service == "s3":
            bucket = self._bucket(name)
            return bucket.policy.decode() if bucket and bucket.policy else None
        if service == "sqs":
            queue = sqs_backends[self._account][region].queues.get(name)
            return queue.policy if queue else None
        if service == "lambda":
            function = lambda_backends[self._account][region].get_function(arn)
            return json.dumps({"Version": VERSION, "Statement": function.policy.statements})
        if service == "kms":
            key = kms_backends[self._account][region].keys.get(name.removeprefix("key/"))
            return key.policy if key else None
        if service == "iam":
            role = self._role(arn)
            return role.assume_role_policy_document if role else None
        return None

    def kms_key(self, arn: str) -> str | None:
        """Return the ARN of the customer key of a bucket, object, queue, table or log group.

        Return None if AWS's own key encrypts it.
        """
        _, _, service, region, _, name = arn.split(":", 5)
        if service == "s3":
            bucket = self._bucket(name)
            rule = (bucket.encryption or {}).get("Rule", {}) if bucket else {}
            default: Mapping[str, str] = rule.get("ApplyServerSideEncryptionByDefault", {})
            return default.get("KMSMasterKeyID")
        if service == "sqs":
            queue = sqs_backends[self._account][region].queues.get(name)
            return getattr(queue, "kms_master_key_id", None)
        if service == "dynamodb":
            table = dynamodb_backends[self._account][region].tables.get(name.split("/")[1])
            return (table.sse_specification or {}).get("KMSMasterKeyId") if table else None
        if service == "logs":
            group = logs_backends[self._account][region].groups.get(name.split(":")[1])
            return group.kms_key_id if group else None
        return None

    def documents(self) -> Iterator[PolicyDocument]:
        """Yield every policy in the account."""
        for role in iam_backends[self._account][PARTITION].roles.values():
            yield PolicyDocument("trust", role.arn, "", role.assume_role_policy_document)
            for name, text in role.policies.items():
                yield PolicyDocument("identity", role.arn, name, text)
        buckets = s3_backends[self._account][PARTITION].buckets.values()
        regions = sqs_backends[self._account].values()
        functions = lambda_backends[self._account].values()
        keys = kms_backends[self._account].values()
        arns = [
            *(bucket.arn for bucket in buckets),
            *(queue.queue_arn for region in regions for queue in region.queues.values()),
            *(key.arn for region in keys for key in region.keys.values()),
            *(each.function_arn for region in functions for each in region.list_functions()),
        ]
        for arn in arns:
            if policy := self.resource_policy(arn):
                yield PolicyDocument("resource", arn, "", policy)

    def _bucket(self, path: str) -> FakeBucket | None:
        return s3_backends[self._account][PARTITION].buckets.get(path.partition("/")[0])

    def _role(self, arn: str) -> Role | None:
        roles = iam_backends[self._account][PARTITION].roles.values()
        return next((role for role in roles if role.arn == arn), None)
