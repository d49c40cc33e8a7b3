"""Decides whether a request is allowed: "Policy evaluation logic" in the IAM User Guide.

An explicit deny wins. Otherwise, within an account, an allow in the role's policies or in the
resource's policy is enough; access from another account requires both. An AWS service requires an
allow in the resource's policy.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Self

from local.iam.conditions import SECURE_TRANSPORT
from local.iam.policy import EVERYONE, Policy, Statement


@dataclass(frozen=True)
class Principal:
    """The caller: a role session or an AWS service.

    ``name`` is the session's ARN or the service's host name. A service has no ``role_arn`` and no
    ``account``.
    """

    name: str
    role_arn: str = ""
    account: str = ""

    @property
    def is_service(self) -> bool:
        return not self.role_arn

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class Access:
    """An action on a resource.

    ``keys`` are the condition keys of the request, with names in lower case. ``account`` owns the
    resource.
    """

    action: str
    resource: str
    account: str
    keys: frozenset[tuple[str, str]] = field(default=frozenset())

    @classmethod
    def on_behalf_of(cls, source: str, action: str, resource: str, account: str) -> Self:
        """Return the access of a service that acts for ``source``, one of its own resources."""
        keys = frozenset({("aws:sourcearn", source), ("aws:sourceaccount", account)})
        return cls(action, resource, account, keys)

    def over_plain_http(self) -> "Access":
        """Return the same access, without TLS."""
        others = {(key, value) for key, value in self.keys if key != SECURE_TRANSPORT}
        return replace(self, keys=frozenset({*others, (SECURE_TRANSPORT, "false")}))

    @cached_property
    def _own_context(self) -> dict[str, str]:
        # The embedded AWS serves plain HTTP on loopback, where AWS would be called over TLS. So
        # requests count as TLS for policies that deny plain HTTP, such as those of our buckets.
        return {
            SECURE_TRANSPORT: "true",
            "aws:resourceaccount": self.account,
            "s3:resourceaccount": self.account,
            **dict(self.keys),
        }

    def context(self, principal: Principal) -> dict[str, str]:
        """Return all condition keys of the request."""
        if principal.is_service:
            return {**self._own_context, "aws:principalisawsservice": "true"}
        return {
            **self._own_context,
            "aws:principalisawsservice": "false",
            "aws:principalarn": principal.role_arn,
            "aws:principalaccount": principal.account,
        }


@dataclass(frozen=True)
class ApplicablePolicies:
    """The policies that apply to a request: those of the caller, and that of the resource.

    ``only_resource``: only the resource's policy can allow access, as for invoked functions and
    assumed roles. ``needs_delegation``: the caller's policies count only if the resource's policy
    allows the account, as for KMS keys.
    """

    identity: Sequence[Policy] = ()
    resource: Policy | None = None
    only_resource: bool = False
    needs_delegation: bool = False


@dataclass(frozen=True)
class Decision:
    """``reason`` completes the sentence "... is not authorized to perform ..."."""

    allowed: bool
    reason: str = ""


def decide(access: Access, principal: Principal, policies: ApplicablePolicies) -> Decision:
    """Decide whether ``principal`` has ``access``."""
    context = access.context(principal)
    in_identity = {
        statement.effect
        for policy in policies.identity
        for statement in policy.statements
        if statement.applies(access.action, access.resource, context)
    }
    of_resource = policies.resource.statements if policies.resource else ()
    in_resource = [s for s in of_resource if s.applies(access.action, access.resource, context)]
    if any(s.effect == "Deny" and _names(s, principal) for s in in_resource):
        return Decision(False, "with an explicit deny in a resource-based policy")
    if "Deny" in in_identity:
        return Decision(False, "with an explicit deny in an identity-based policy")
    allowing = [s for s in in_resource if s.effect == "Allow"]
    return _decide_without_deny(access, principal, policies, "Allow" in in_identity, allowing)


def _decide_without_deny(
    access: Access,
    principal: Principal,
    policies: ApplicablePolicies,
    by_identity: bool,
    allowing: Sequence[Statement],
) -> Decision:
    """Decide, given the Allow statements of the resource's policy that apply."""
    no_identity = f"because no identity-based policy allows the {access.action} action"
    no_resource = f"because no resource-based policy allows the {access.action} action"
    named = any(_names(statement, principal) for statement in allowing)
    if principal.is_service or policies.only_resource:
        return Decision(True) if named else Decision(False, no_resource)
    if principal.account == access.account:
        directly = any(_names_directly(statement, principal) for statement in allowing)
        if policies.needs_delegation and not named:
            return Decision(False, no_resource)
        return Decision(True) if by_identity or directly else Decision(False, no_identity)
    if not named:
        return Decision(False, no_resource)
    return Decision(True) if by_identity else Decision(False, no_identity)


def _names_directly(statement: Statement, principal: Principal) -> bool:
    if principal.is_service:
        return bool(statement.principals & {("Service", principal.name), ("AWS", EVERYONE)})
    names = (EVERYONE, principal.name, principal.role_arn)
    return any(("AWS", name) in statement.principals for name in names)


def _names(statement: Statement, principal: Principal) -> bool:
    """Return whether a resource's statement names ``principal`` or its account.

    A statement that names the account leaves the decision to the policies in that account.
    """
    account = principal.account
    if account and statement.principals & {
        ("AWS", account),
        ("AWS", f"arn:aws:iam::{account}:root"),
    }:
        return True
    return _names_directly(statement, principal)
