"""Policies are evaluated by the rules of the IAM User Guide."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.iam.conditions import PolicyError
from local.iam.evaluation import Access, ApplicablePolicies, Principal, decide
from local.iam.policy import Kind, Policy, parse_policy

ACCOUNT, OTHER_ACCOUNT = "123456789012", "210987654321"
ROLE = Principal(
    f"arn:aws:sts::{ACCOUNT}:assumed-role/zipper/one",
    f"arn:aws:iam::{ACCOUNT}:role/zipper",
    ACCOUNT,
)
EVENT_BRIDGE = Principal("events.amazonaws.com")
OBJECT = "arn:aws:s3:::bucket/zips/a.zip"
QUEUE = f"arn:aws:sqs:us-east-1:{ACCOUNT}:jobs"
RULE = f"arn:aws:events:us-east-1:{ACCOUNT}:rule/dropped"

GET = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::bucket/*"}
DENY = {**GET, "Effect": "Deny"}
TO_ROLE = {**GET, "Principal": {"AWS": ROLE.role_arn}}
TO_EVENTS = {
    "Effect": "Allow",
    "Principal": {"Service": EVENT_BRIDGE.name},
    "Action": "sqs:SendMessage",
    "Resource": QUEUE,
    "Condition": {"ArnEquals": {"aws:SourceArn": [RULE]}},
}


def policy(*statements: Any, kind: Kind = "identity") -> Policy:
    return parse_policy(json.dumps({"Version": "2012-10-17", "Statement": statements}), kind)


def get(resource: str = OBJECT, account: str = ACCOUNT, **keys: str) -> Access:
    return Access("s3:GetObject", resource, account, frozenset(keys.items()))


def allows(*statements: Any, access: Access | None = None) -> bool:
    return decide(access or get(), ROLE, ApplicablePolicies([policy(*statements)])).allowed


def resource_allows(
    *statements: Any, access: Access | None = None, principal: Principal = ROLE
) -> bool:
    resource = policy(*statements, kind="resource")
    return decide(access or get(), principal, ApplicablePolicies(resource=resource)).allowed


def test_access_is_denied_by_default() -> None:
    assert not allows()
    assert not decide(get(), ROLE, ApplicablePolicies()).allowed


def test_role_policy_allows_only_its_actions_and_resources() -> None:
    assert allows(GET)
    assert not allows({**GET, "Action": "s3:GetObjectVersion"})
    assert not allows({**GET, "Resource": "arn:aws:s3:::bucket/other/*"})
    assert not allows({**GET, "Resource": "arn:aws:s3:::bucket"})


def test_explicit_deny_overrides_allow() -> None:
    assert not allows(GET, DENY)
    both = ApplicablePolicies([policy(GET)], policy({**DENY, "Principal": "*"}, kind="resource"))
    assert not decide(get(), ROLE, both).allowed


def test_denial_has_a_reason() -> None:
    assert (
        "no identity-based policy allows the s3:GetObject"
        in decide(get(), ROLE, ApplicablePolicies()).reason
    )
    denied = decide(get(), ROLE, ApplicablePolicies([policy(GET, DENY)]))
    assert "explicit deny in an identity-based policy" in denied.reason


class TestWildcards:
    @pytest.mark.parametrize("action", ["s3:Get*", "S3:getobject", "s3:GetO?ject", "*"])
    def test_actions_support_wildcards_and_ignore_case(self, action: str) -> None:
        assert allows({**GET, "Action": ["sqs:*", action]})

    def test_resources_support_wildcards_and_match_case(self) -> None:
        assert allows({**GET, "Resource": "arn:aws:s3:::b?cket/*.zip"})
        assert not allows({**GET, "Resource": "arn:aws:s3:::bucket/ZIPS/*"})

    @given(st.text(min_size=1).filter(lambda text: not set(text) & set("*?$")))
    def test_other_characters_are_literal(self, key: str) -> None:
        arn = f"arn:aws:s3:::bucket/{key}"
        assert allows({**GET, "Resource": arn}, access=get(arn))
        assert not allows({**GET, "Resource": arn}, access=get(f"{arn}x"))
        assert allows({**GET, "Resource": "arn:aws:s3:::bucket/*"}, access=get(arn))


def test_not_action_and_not_resource_invert_the_match() -> None:
    assert not allows({"Effect": "Allow", "NotAction": "s3:GetObject", "Resource": "*"})
    assert allows({"Effect": "Allow", "NotAction": "s3:PutObject", "Resource": "*"})
    assert not allows({"Effect": "Allow", "Action": "*", "NotResource": "arn:aws:s3:::bucket/*"})
    assert allows({"Effect": "Allow", "Action": "*", "NotResource": "arn:aws:s3:::other/*"})


class TestPoliciesOfResources:
    def test_policy_naming_the_role_allows_within_an_account(self) -> None:
        assert resource_allows(TO_ROLE)
        assert resource_allows({**GET, "Principal": {"AWS": ROLE.name}})
        assert resource_allows({**GET, "Principal": "*"})
        assert not resource_allows({**GET, "Principal": {"AWS": f"{ROLE.role_arn}x"}})

    def test_policy_naming_the_account_needs_role_policy(self) -> None:
        root = {**GET, "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}}
        assert not resource_allows(root)
        both = ApplicablePolicies([policy(GET)], policy(root, kind="resource"))
        assert decide(get(), ROLE, both).allowed

    def test_cross_account_access_needs_both_policies(self) -> None:
        foreign = get(account=OTHER_ACCOUNT)
        of_role, of_bucket = [policy(GET)], policy(TO_ROLE, kind="resource")
        assert not decide(foreign, ROLE, ApplicablePolicies(of_role)).allowed
        assert not decide(foreign, ROLE, ApplicablePolicies(resource=of_bucket)).allowed
        assert decide(foreign, ROLE, ApplicablePolicies(of_role, of_bucket)).allowed

    def test_service_needs_policy_naming_it_and_its_source(self) -> None:
        def send(rule: str) -> Access:
            return Access.on_behalf_of(rule, "sqs:SendMessage", QUEUE, ACCOUNT)

        assert resource_allows(TO_EVENTS, access=send(RULE), principal=EVENT_BRIDGE)
        assert not resource_allows(TO_EVENTS, access=send(f"{RULE}2"), principal=EVENT_BRIDGE)
        assert not resource_allows(TO_EVENTS, access=send(RULE), principal=Principal("s3"))
        assert not resource_allows(TO_EVENTS, access=send(RULE))

    def test_only_resource_policy_allows_invocation(self) -> None:
        everything = [policy({"Effect": "Allow", "Action": "*", "Resource": "*"})]
        assert not decide(get(), ROLE, ApplicablePolicies(everything, only_resource=True)).allowed


class TestConditions:
    @pytest.mark.parametrize(
        ("operator", "wanted", "found", "holds"),
        [
            ("StringEquals", "zips/", "zips/", True),
            ("StringEquals", "zips/*", "zips/a", False),
            ("StringEquals", ["a", "b"], "b", True),
            ("StringNotEquals", ["a", "b"], "b", False),
            ("StringNotEquals", ["a", "b"], "c", True),
            ("StringLike", "zips/*", "zips/a", True),
            ("StringNotLike", "zips/*", "zips/a", False),
        ],
    )
    def test_strings(self, operator: str, wanted: Any, found: str, holds: bool) -> None:
        statement = {**GET, "Condition": {operator: {"s3:prefix": wanted}}}
        assert allows(statement, access=get(**{"s3:prefix": found})) is holds

    @pytest.mark.parametrize(
        ("operator", "wanted", "holds"),
        [
            ("ArnEquals", RULE, True),
            ("ArnLike", f"arn:aws:events:*:{ACCOUNT}:rule/*", True),
            ("ArnLike", "arn:aws:events:*", False),
            ("ArnNotLike", "arn:aws:events:*:*:rule/other*", True),
            ("ArnNotEquals", RULE, False),
        ],
    )
    def test_arns_are_compared_by_part(self, operator: str, wanted: str, holds: bool) -> None:
        statement = {**GET, "Condition": {operator: {"aws:SourceArn": wanted}}}
        assert allows(statement, access=get(**{"aws:sourcearn": RULE})) is holds

    def test_missing_condition_key(self) -> None:
        for operator, holds in [
            ("StringLike", False),
            ("StringLikeIfExists", True),
            ("StringNotLike", True),
        ]:
            assert allows({**GET, "Condition": {operator: {"s3:prefix": "*"}}}) is holds

    def test_all_conditions_must_hold(self) -> None:
        condition = {"StringEquals": {"s3:prefix": "a", "s3:delimiter": "/"}}
        statement = {**GET, "Condition": condition}
        assert allows(statement, access=get(**{"s3:prefix": "a", "s3:delimiter": "/"}))
        assert not allows(statement, access=get(**{"s3:prefix": "a"}))

    def test_condition_keys_ignore_case(self) -> None:
        statement = {**GET, "Condition": {"StringEquals": {"AWS:PrincipalAccount": ACCOUNT}}}
        assert allows(statement)

    def test_requests_count_as_tls(self) -> None:
        insecure = {"Bool": {"aws:SecureTransport": "false"}}
        tls_only = {**DENY, "Principal": "*", "Condition": insecure}
        both = ApplicablePolicies([policy(GET)], policy(tls_only, kind="resource"))
        assert decide(get(), ROLE, both).allowed
        assert not decide(get().over_plain_http(), ROLE, both).allowed


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"Condition": {"NumericLessThan": {"s3:max-keys": "1"}}}, "operator NumericLessThan"),
        ({"Condition": {"StringEquals": {"aws:username": "a"}}}, "key aws:username"),
        ({"Resource": "arn:aws:s3:::${aws:username}/*"}, "policy variables"),
        ({"NotPrincipal": "*"}, "NotPrincipal"),
        ({"Effect": "Maybe"}, "Maybe"),
        ({"Principal": "*"}, "Principal"),
        ({"NotAction": "s3:*"}, "either Action or NotAction"),
        ({"Action": [1]}, "A policy contains 1"),
    ],
)
def test_unsupported_element_is_an_error(change: dict[str, Any], message: str) -> None:
    with pytest.raises(PolicyError, match=message):
        policy({**GET, **change})


@pytest.mark.parametrize("document", ["{", "[]", '{"Statement": []}', '{"Version": "2008-10-17"}'])
def test_invalid_document_is_an_error(document: str) -> None:
    with pytest.raises(PolicyError):
        parse_policy(document, "identity")
