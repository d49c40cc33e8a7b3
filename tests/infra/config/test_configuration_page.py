"""``docs/configuration.md``: settings, outputs, and policies to copy."""

import json
import re
from pathlib import Path

from infra import policies
from local.deployment.program import configuration, project, run_program
from local.iam.evaluation import Access, ApplicablePolicies, Principal, decide
from local.iam.policy import Policy, parse_policy
from tests.infra.config.valid import PROJECT
from tests.infra.recorder import Recorder
from tools.declared import declared

ROOT = Path(__file__).resolve().parents[3]
TEXT = (ROOT / "docs/configuration.md").read_text()
BUCKET_POLICY, KEY_POLICY, OWN_KEY_POLICY = re.findall(r"```json\n(.*?)```", TEXT, re.DOTALL)

ROLE = "arn:aws:iam::123456789012:role/zipper"
ZIPPER = Principal("arn:aws:sts::123456789012:assumed-role/zipper/session", ROLE, "123456789012")
OTHER_ACCOUNT = "111122223333"


def copied(document: str) -> Policy:
    return parse_policy(document.replace("ZIPPER_ROLE_ARN", ROLE), "resource")


def test_the_documented_outputs_match_the_program() -> None:
    section = TEXT.partition("## Stack outputs")[2]
    outputs = run_program(Recorder(), "dev", configuration("dev", {}))
    assert re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE) == list(outputs)


def test_the_documented_bucket_policy_lets_the_zipper_read() -> None:
    (own,) = (
        one.inputs["policy"]
        for one in declared("dev", {"allowedSources": ["their-documents/2026/"]}).values()
        if one.type == "aws:iam/rolePolicy:RolePolicy" and one.name == "s3-zip-jobs-dev-zipper"
    )
    both = ApplicablePolicies([parse_policy(own, "identity")], copied(BUCKET_POLICY))

    def may(action: str, resource: str) -> bool:
        access = Access(action, f"arn:aws:s3:::their-documents{resource}", OTHER_ACCOUNT)
        return decide(access, ZIPPER, both).allowed

    assert may("s3:GetObject", "/2026/a.pdf")
    assert may("s3:GetObjectVersion", "/2026/a.pdf")
    assert may("s3:ListBucket", "")
    assert not may("s3:GetObject", "/2025/a.pdf")
    assert not may("s3:PutObject", "/2026/a.pdf")


def test_the_documented_key_policy_allows_decryption_only_via_s3() -> None:
    key = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
    own = policies.document(*policies.use_object_keys(["kms:Decrypt"], [key]))
    both = ApplicablePolicies([parse_policy(own, "identity")], copied(KEY_POLICY))

    def may(action: str, *through: str) -> bool:
        keys = frozenset(("kms:viaservice", service) for service in through)
        return decide(Access(action, key, OTHER_ACCOUNT, keys), ZIPPER, both).allowed

    assert may("kms:Decrypt", "s3.us-east-1.amazonaws.com")
    assert not may("kms:Decrypt", "dynamodb.us-east-1.amazonaws.com")
    assert not may("kms:Decrypt")
    assert not may("kms:Encrypt", "s3.us-east-1.amazonaws.com")


def test_the_documented_customer_key_policy_is_the_stacks_own() -> None:
    own = policies.key_policy(OTHER_ACCOUNT, "us-east-1", "s3-zip-jobs-prod", has_alarms=True)
    assert json.loads(OWN_KEY_POLICY) == json.loads(own)


def test_pulumi_new_asks_only_for_existing_settings() -> None:
    """A project that `pulumi new` has created has no template."""
    asked_for = project().get("template", {}).get("config", {})
    assert set(asked_for) <= set(PROJECT)
    for name, asked in asked_for.items():
        setting = PROJECT[name]
        assert asked["default"] == setting.get("value", setting.get("default"))


def rows() -> list[str]:
    found = []
    for name, setting in PROJECT.items():
        default = setting.get("value", setting.get("default"))
        shown = f"`{default if isinstance(default, str) else json.dumps(default)}`"
        default_cell = shown if default not in ("", []) else ""
        found.append(f"| `{name}` | {default_cell} | {setting['description']} |")
    return found


def test_the_configuration_table_matches_the_schema() -> None:
    table = "\n".join(rows())
    assert table in TEXT, f"the table should be:\n{table}"
