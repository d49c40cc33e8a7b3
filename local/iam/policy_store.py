"""The sessions and policies that moto holds, read anew for each request: changes count at once."""

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

from local.iam.evaluation import Access, Policies, Principal
from local.iam.policy import VERSION, Kind, parse_policy

PARTITION = "aws"


@dataclass(frozen=True)
class Document:
    """A policy in JSON: a role's, by ``name``, or that of the resource ``arn`` itself."""

    kind: Kind
    arn: str
    name: str
    text: str = field(repr=False)


class Holdings:
    """What there is in one account of moto's. Documents are JSON."""

    def __init__(self, account: str) -> None:
        self._account = account
        self._sessions: dict[str, Principal | None] = {}

    def session(self, access_key_id: str) -> Principal | None:
        """The role's session that has these credentials, or None if they are no role's."""
        if access_key_id not in self._sessions:
            self._sessions[access_key_id] = self._find_session(access_key_id)
        return self._sessions[access_key_id]

    def policies(self, access: Access, principal: Principal) -> Policies:
        """All that has a say in it. Raises PolicyError."""
        of_role = {} if principal.is_service else self.role_documents(principal.role_arn)
        found = self.resource_document(access.resource)
        kind: Kind = "trust" if access.action == "sts:AssumeRole" else "resource"
        return Policies(
            identity=[parse_policy(document, "identity") for document in of_role.values()],
            resource=parse_policy(found, kind) if found else None,
            must_name=access.action in ("lambda:InvokeFunction", "sts:AssumeRole"),
            must_delegate=access.action.startswith("kms:"),
        )

    def role_documents(self, role_arn: str) -> Mapping[str, str]:
        """The documents of a role's policies, by name."""
        role = self._role(role_arn)
        return role.policies if role else {}

    def resource_document(self, arn: str) -> str | None:
        """The policy that a resource has itself: a role's trust policy, a queue's, a function's,
        a key's, a bucket's, which is its objects' too.
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

    def key_of(self, arn: str) -> str | None:
        """The ARN of the customer key that encrypts what ``arn`` is or is in: a bucket, a queue, a
        table, a log group. None for a key of AWS's own.
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

    def documents(self) -> Iterator[Document]:
        """Every policy that there is."""
        for role in iam_backends[self._account][PARTITION].roles.values():
            yield Document("trust", role.arn, "", role.assume_role_policy_document)
            for name, text in role.policies.items():
                yield Document("identity", role.arn, name, text)
        buckets = s3_backends[self._account][PARTITION].buckets.values()
        regions = sqs_backends[self._account].values()
        functions = lambda_backends[self._account].values()
        keys = kms_backends[self._account].values()
        arns = [
            *(bucket.arn for bucket in buckets),
            *(queue.queue_arn for region in regions for queue in region.queues.values()),
            *(key.arn for region in keys for key in region.keys.values()),
            *(found.function_arn for region in functions for found in region.list_functions()),
        ]
        for arn in arns:
            if found := self.resource_document(arn):
                yield Document("resource", arn, "", found)

    def _bucket(self, path: str) -> FakeBucket | None:
        return s3_backends[self._account][PARTITION].buckets.get(path.partition("/")[0])

    def _role(self, arn: str) -> Role | None:
        roles = iam_backends[self._account][PARTITION].roles.values()
        return next((role for role in roles if role.arn == arn), None)

    def _find_session(self, access_key_id: str) -> Principal | None:
        sts = sts_backends[self._account][PARTITION]
        found = sts.get_assumed_role_from_access_key(access_key_id)
        return Principal(found.arn, found.role_arn, self._account) if found else None
