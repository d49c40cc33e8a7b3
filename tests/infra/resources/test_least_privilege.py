"""The declared policies grant only necessary permissions, and a policy linter accepts them."""

import json
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pulumi
import pytest

from local.deployment.program import configuration, run_program
from local.names import ACCOUNT_ID
from tools.declared import called

HERE = f"us-east-1:{ACCOUNT_ID}"
ARNS = {
    "aws:apigatewayv2/api:Api": f"arn:aws:execute-api:{HERE}:{{}}",
    "aws:cloudwatch/eventBus:EventBus": f"arn:aws:events:{HERE}:event-bus/{{}}",
    "aws:cloudwatch/eventRule:EventRule": f"arn:aws:events:{HERE}:rule/{{}}",
    "aws:cloudwatch/logGroup:LogGroup": f"arn:aws:logs:{HERE}:log-group:{{}}",
    "aws:cloudwatch/metricAlarm:MetricAlarm": f"arn:aws:cloudwatch:{HERE}:alarm:{{}}",
    "aws:dynamodb/table:Table": f"arn:aws:dynamodb:{HERE}:table/{{}}",
    "aws:iam/role:Role": "arn:aws:iam::123456789012:role/{}",
    "aws:kms/key:Key": f"arn:aws:kms:{HERE}:key/{{}}",
    "aws:lambda/function:Function": f"arn:aws:lambda:{HERE}:function:{{}}",
    "aws:s3/bucket:Bucket": "arn:aws:s3:::{}",
    "aws:sns/topic:Topic": f"arn:aws:sns:{HERE}:{{}}",
    "aws:sqs/queue:Queue": f"arn:aws:sqs:{HERE}:{{}}",
}
"""The format of ARNs by resource type."""

SOURCE_KEY = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
TARGET_KEY = "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890cd"

SETTINGS: dict[str, Any] = {
    "alarmEmail": "on-call@example.com",
    "allowedSources": ["other-documents/2026/"],
    "allowedTargets": ["other-archives"],
    "customerKey": "create",
    "sourceKmsKeyArns": [SOURCE_KEY],
    "targetKmsKeyArns": [TARGET_KEY],
    "tracing": True,
}
"""Settings that add statements to a policy."""

WILDCARDS = {
    r"arn:aws:s3:::[a-z0-9-]+/[^*]*\*": "the objects below a prefix",
    r"arn:aws:s3:::[a-z0-9-]+/[^*]*\*\.status\.json": "status objects are named after manifests",
    rf"arn:aws:logs:{HERE}:log-group:[a-z0-9-]+:\*": "Lambda names the streams of a log group",
    r"\*": "X-Ray has no resources for traces, and in a key policy * is the key",
}
"""The allowed wildcards in resources, with the reason."""

ACCOUNT_ROOT = f"arn:aws:iam::{ACCOUNT_ID}:root"
ACTIONS_WITH_WILDCARDS = {("kms:*", ACCOUNT_ROOT): "the account must be able to administer the key"}
"""The allowed wildcards in actions, by action and principal, with the reason."""

SOURCES_WITH_WILDCARDS = {
    rf"arn:aws:execute-api:{HERE}:[a-z0-9-]+/\*/[A-Z]+/[a-z./-]+": "the only stage",
    rf"arn:aws:execute-api:{HERE}:[a-z0-9-]+/\*/[A-Z]+/[a-z./-]+/\*": "the stage and a job ID",
    rf"arn:aws:cloudwatch:{HERE}:alarm:s3-zip-jobs-dev-\*": "alarms are created after the key",
    rf"arn:aws:logs:{HERE}:log-group:s3-zip-jobs-dev-\*": "log groups are created after the key",
}
"""The allowed wildcards in source ARNs, with the reason."""

SOURCE_CONDITIONS = ("aws:sourcearn", "kms:encryptioncontext:aws:logs:arn")

WITHOUT_SOURCE_CONDITION = {
    ("aws:kms/key:Key", "events.amazonaws.com"): "EventBridge does not send the rule's ARN to KMS. "
    "It encrypts only messages to queues, whose policies have a source condition",
}
"""Services without a source condition, by resource type, with the reason."""

DATA = {
    "dynamodb": {"BatchGetItem", "DeleteItem", "GetItem", "Query", "UpdateItem"},
    "events": {"PutEvents"},
    "kms": {"Decrypt", "GenerateDataKey"},
    "lambda": {"InvokeFunction"},
    "logs": {"CreateLogStream", "PutLogEvents"},
    "sns": {"Publish"},
    "xray": {"PutTelemetryRecords", "PutTraceSegments"},
}
"""The allowed actions of functions, by service. SQS and S3 are checked by pattern."""


@dataclass(frozen=True)
class Declared:
    """A policy: the type and name of the resource that declares it, and its statements."""

    typ: str
    name: str
    statements: list[dict[str, Any]]

    @property
    def is_trust(self) -> bool:
        return self.typ.endswith(":Role")

    @property
    def is_role(self) -> bool:
        return self.typ.endswith(":RolePolicy")

    @property
    def text(self) -> str:
        """Return the document for parliament.

        Parliament refuses ``*`` as the resource of a key policy, and the statement for the account.
        The document of a key policy omits both.
        """
        found = self.statements
        if self.typ == "aws:kms/key:Key":
            arn = ARNS[self.typ].format(self.name)
            others = [s for s in found if s["Principal"] != {"AWS": ACCOUNT_ROOT}]
            found = [{**s, "Resource": arn} for s in others]
        return json.dumps({"Version": "2012-10-17", "Statement": found})


class Collector(pulumi.runtime.Mocks):
    """Records the declared policies."""

    def __init__(self) -> None:
        self.policies: list[Declared] = []

    def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str, dict[str, Any]]:
        arn = ARNS.get(args.typ, "").format(args.name)
        known = {
            "name": args.name,
            "bucket": args.name,
            "arn": arn,
            "url": f"https://{args.name}",
            "invokeArn": f"arn:invoke/{args.name}",
            "executionArn": arn,
            "apiEndpoint": "https://api",
        }
        for document in (args.inputs.get("policy"), args.inputs.get("assumeRolePolicy")):
            if document:
                found = json.loads(document)["Statement"]
                self.policies.append(Declared(args.typ, args.name, found))
        if args.typ.endswith(":Permission"):
            self.policies.append(Declared(args.typ, args.name, [_permission(args.inputs)]))
        return f"{args.name}-id", {**known, **args.inputs}

    def call(
        self, args: pulumi.runtime.MockCallArgs
    ) -> tuple[dict[str, Any], list[tuple[str, str]]]:
        return called()


def _permission(inputs: dict[str, Any]) -> dict[str, Any]:
    """Return the statement that Lambda makes of a permission."""
    return {
        "Effect": "Allow",
        "Principal": {"Service": inputs["principal"]},
        "Action": inputs["action"],
        "Resource": f"arn:aws:lambda:{HERE}:function:{inputs['function']}",
        "Condition": {"ArnLike": {"AWS:SourceArn": inputs["sourceArn"]}},
    }


@pytest.fixture(scope="module")
def policies() -> list[Declared]:
    collector = Collector()
    run_program(collector, "dev", configuration("dev", SETTINGS))
    return collector.policies


@pytest.fixture(scope="module")
def statements(policies: list[Declared]) -> list[dict[str, Any]]:
    """Return the statements that allow something. The others deny plain HTTP."""
    return [s for policy in policies for s in policy.statements if s["Effect"] == "Allow"]


def values(statement: dict[str, Any], element: str) -> list[str]:
    found = statement.get(element, [])
    return found if isinstance(found, list) else [found]


def test_actions_have_no_wildcards_and_no_not_elements(
    statements: list[dict[str, Any]],
) -> None:
    wide = {
        (action, *(statement.get("Principal") or {"": "a role"}).values())
        for statement in statements
        for action in values(statement, "Action")
        if "*" in action
    }
    assert wide == set(ACTIONS_WITH_WILDCARDS)
    for statement in statements:
        assert not statement.keys() & {"NotAction", "NotResource", "NotPrincipal"}, statement


def test_resources_have_only_the_listed_wildcards(
    statements: list[dict[str, Any]],
) -> None:
    resources = {r for s in statements for r in values(s, "Resource") if "*" in r or "?" in r}
    assert {r for r in resources if not any(re.fullmatch(w, r) for w in WILDCARDS)} == set()
    assert [w for w in WILDCARDS if not any(re.fullmatch(w, r) for r in resources)] == []


def test_services_act_only_for_resources_of_the_stack(policies: list[Declared]) -> None:
    """This prevents the confused deputy problem.

    A role is created before its function, so its trust policy names only the account.
    """
    sources: set[str] = set()
    silent: set[tuple[str, str]] = set()
    for policy in policies:
        for statement in policy.statements:
            if "Principal" not in statement or statement["Effect"] == "Deny":
                continue
            if statement["Principal"] == {"AWS": ACCOUNT_ROOT}:
                continue
            assert list(statement["Principal"]) == ["Service"], statement
            if "Condition" not in statement:
                silent.add((policy.typ, statement["Principal"]["Service"]))
                continue
            (conditions,) = statement["Condition"].values()
            if policy.is_trust:
                assert conditions == {"aws:SourceAccount": ACCOUNT_ID}
                continue
            (found,) = (conditions[key] for key in conditions if key.lower() in SOURCE_CONDITIONS)
            sources |= set(found if isinstance(found, list) else [found])
    assert silent == set(WITHOUT_SOURCE_CONDITION)
    wide = {source for source in sources if "*" in source}
    assert {s for s in wide if not any(re.fullmatch(w, s) for w in SOURCES_WITH_WILDCARDS)} == set()
    assert [w for w in SOURCES_WITH_WILDCARDS if not any(re.fullmatch(w, s) for s in wide)] == []


def test_only_plain_http_is_denied_and_for_everyone(policies: list[Declared]) -> None:
    denials = [s for policy in policies for s in policy.statements if s["Effect"] == "Deny"]
    assert {resource for s in denials for resource in values(s, "Resource")} == {
        *(f"arn:aws:s3:::s3-zip-jobs-dev-{name}" for name in ("source", "target", "manifests")),
        *(f"arn:aws:s3:::s3-zip-jobs-dev-{name}/*" for name in ("source", "target", "manifests")),
        *(
            f"arn:aws:sqs:{HERE}:s3-zip-jobs-dev-{name}"
            for name in ("jobs", "dead-letters", "completion-events")
        ),
        f"arn:aws:sns:{HERE}:s3-zip-jobs-dev-alarms",
    }
    for statement in denials:
        assert statement["Principal"] == "*"
        assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
        assert statement["Action"] in ("s3:*", "sqs:*", "sns:Publish")


def test_only_lambda_can_assume_the_roles(policies: list[Declared]) -> None:
    trusts = [policy.statements for policy in policies if policy.is_trust]
    assert trusts
    for (statement,) in trusts:
        assert statement["Principal"] == {"Service": "lambda.amazonaws.com"}
        assert statement["Action"] == "sts:AssumeRole"


def test_functions_cannot_change_resources_or_permissions(policies: list[Declared]) -> None:
    """A key's policy is excluded: it is for the account and for AWS services."""
    of_functions = [s for p in policies if p.typ != "aws:kms/key:Key" for s in p.statements]
    allowing = [s for s in of_functions if s["Effect"] == "Allow"]
    for action in {action for s in allowing for action in values(s, "Action")}:
        service, _, name = action.partition(":")
        if service in DATA:
            assert name in DATA[service]
        elif service == "sqs":
            assert re.search("Message|GetQueueAttributes", name)
        elif service == "s3":
            assert re.search(
                r"^(Get|Put|Delete)Object(Version)?$|^PutObjectTagging$|Multipart|^ListBucket$",
                name,
            )
        else:
            assert action == "sts:AssumeRole"


def test_only_the_zipper_reads_sources_on_the_allow_list(
    policies: list[Declared],
) -> None:
    readers = {
        (policy.name, resource)
        for policy in policies
        for statement in policy.statements
        for resource in values(statement, "Resource")
        if statement["Effect"] == "Allow"
        and re.match(r"arn:aws:s3:::(s3-zip-jobs-dev-source|other-documents)", resource)
    }
    zipper = "s3-zip-jobs-dev-zipper"
    assert readers == {
        (zipper, "arn:aws:s3:::s3-zip-jobs-dev-source"),
        (zipper, "arn:aws:s3:::s3-zip-jobs-dev-source/*"),
        (zipper, "arn:aws:s3:::other-documents"),
        (zipper, "arn:aws:s3:::other-documents/2026/*"),
    }


def test_object_keys_are_used_only_via_s3(policies: list[Declared]) -> None:
    """Reading needs Decrypt. Writing in parts needs GenerateDataKey and Decrypt."""
    uses = {
        (policy.name.removeprefix("s3-zip-jobs-dev-"), resource, *values(statement, "Action"))
        for policy in policies
        for statement in policy.statements
        for resource in values(statement, "Resource")
        if resource in (SOURCE_KEY, TARGET_KEY)
    }
    write = ("kms:GenerateDataKey", "kms:Decrypt")
    assert uses == {
        ("zipper", SOURCE_KEY, "kms:Decrypt"),
        ("zipper", TARGET_KEY, *write),
        ("status", TARGET_KEY, "kms:Decrypt"),
        ("cancel", TARGET_KEY, *write),
        ("dead-letter", TARGET_KEY, *write),
        ("reconciler", TARGET_KEY, *write),
    }
    with_theirs = Collector()
    run_program(with_theirs, "dev", configuration("dev", SETTINGS | {"manifestBucket": "theirs"}))
    (enqueue,) = (p for p in with_theirs.policies if p.is_role and p.name.endswith("-enqueue"))
    assert any(values(s, "Resource") == [TARGET_KEY] for s in enqueue.statements), "it writes there"
    through = [
        statement["Condition"]
        for policy in policies
        for statement in policy.statements
        if values(statement, "Resource") == [SOURCE_KEY]
    ]
    assert through == [{"StringEquals": {"kms:ViaService": ["s3.eu-west-1.amazonaws.com"]}}]


def test_the_customer_key_is_used_only_via_services(
    policies: list[Declared],
) -> None:
    """The docs function stores nothing and does not use it."""
    arn = f"arn:aws:kms:{HERE}:key/s3-zip-jobs-dev"
    uses = {
        policy.name.removeprefix("s3-zip-jobs-dev-").removesuffix("-key"): (
            values(statement, "Action"),
            statement["Condition"]["StringEquals"]["kms:ViaService"],
        )
        for policy in policies
        for statement in policy.statements
        if policy.is_role and values(statement, "Resource") == [arn]
    }
    s3, sqs, dynamodb = (f"{name}.us-east-1.amazonaws.com" for name in ("s3", "sqs", "dynamodb"))
    write = ["kms:GenerateDataKey", "kms:Decrypt"]
    assert uses == {
        "enqueue": (write, [s3, sqs, dynamodb]),
        "status": (["kms:Decrypt"], [s3, dynamodb]),
        "zipper": (write, [s3, sqs, dynamodb]),
        "cancel": (write, [s3, dynamodb]),
        "dead-letter": (write, [s3, sqs, dynamodb]),
        "reconciler": (write, [s3, sqs, dynamodb]),
    }


class TestParliament:
    """Parliament, a policy linter, knows the resources and conditions of each action."""

    @pytest.fixture(scope="class")
    @classmethod
    def parliament(cls) -> Iterator[Any]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import parliament

            yield parliament

    def findings(self, parliament: Any, text: str) -> list[str]:
        found = parliament.analyze_policy_string(text, include_community_auditors=True).findings
        return [f"{finding.issue}: {finding.detail}" for finding in found]

    def test_parliament_has_no_findings(self, parliament: Any, policies: list[Declared]) -> None:
        """Trust policies are not checked, because they have no resource."""
        others = [policy for policy in policies if not policy.is_trust]
        found = {policy.name: self.findings(parliament, policy.text) for policy in others}
        assert {name: all_of_it for name, all_of_it in found.items() if all_of_it} == {}

    @pytest.mark.parametrize(
        ("action", "resource", "issue"),
        [
            ("s3:GetObject", "*", "RESOURCE_STAR"),
            ("s3:ListBucket", "arn:aws:s3:::bucket/*", "RESOURCE_MISMATCH"),
            ("s3:GetObjects", "arn:aws:s3:::bucket/*", "UNKNOWN_ACTION"),
        ],
    )
    def test_parliament_finds_known_mistakes(
        self, parliament: Any, action: str, resource: str, issue: str
    ) -> None:
        statement = {"Effect": "Allow", "Action": action, "Resource": resource}
        text = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        assert any(issue in finding for finding in self.findings(parliament, text))
