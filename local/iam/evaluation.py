"""Whether a request is allowed: "Policy evaluation logic" in the IAM User Guide, as a function.

An explicit deny wins. Else, within an account, an allow in the role's policies or in the resource's
is enough; from another account it takes both. An AWS service has only what the resource's policy
gives it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Self

from local.iam.conditions import SECURE_TRANSPORT
from local.iam.policy import EVERYBODY, Policy, Statement


@dataclass(frozen=True)
class Principal:
    """Who asks: a role's session, or an AWS service.

    ``name`` is the session's ARN, or the service's host name. Of a service, ``role_arn`` and
    ``account`` are empty.
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
    """One thing that a request needs: an action on a resource.

    ``keys`` are the condition keys that the request has, their names in lower case. ``account`` is
    the resource's.
    """

    action: str
    resource: str
    account: str
    keys: frozenset[tuple[str, str]] = field(default=frozenset())

    @classmethod
    def on_behalf_of(cls, source: str, action: str, resource: str, account: str) -> Self:
        """What a service needs to do something for ``source``, one of its own resources."""
        keys = frozenset({("aws:sourcearn", source), ("aws:sourceaccount", account)})
        return cls(action, resource, account, keys)

    def over_plain_http(self) -> "Access":
        """The same, asked for without TLS."""
        kept = {(key, value) for key, value in self.keys if key != SECURE_TRANSPORT}
        keys = frozenset({*kept, (SECURE_TRANSPORT, "false")})
        return Access(self.action, self.resource, self.account, keys)

    @cached_property
    def _own_context(self) -> dict[str, str]:
        # The embedded AWS speaks plain HTTP, on loopback; what it plays is asked for over TLS. So
        # policies that refuse plain HTTP, as those of the stack's buckets and queues, let it pass.
        return {
            SECURE_TRANSPORT: "true",
            "aws:resourceaccount": self.account,
            "s3:resourceaccount": self.account,
            **dict(self.keys),
        }

    def context(self, principal: Principal) -> dict[str, str]:
        """All condition keys of the request."""
        if principal.is_service:
            return {**self._own_context, "aws:principalisawsservice": "true"}
        return {
            **self._own_context,
            "aws:principalisawsservice": "false",
            "aws:principalarn": principal.role_arn,
            "aws:principalaccount": principal.account,
        }


@dataclass(frozen=True)
class Policies:
    """All that is said about a request: by the policies of who asks, and of what is asked for.

    ``must_name`` is for resources to which their own policy alone gives access, as functions and
    roles that are assumed. ``must_delegate`` is for keys: the policies of an account's roles count
    only if the key's own says that those of the account do.
    """

    identity: Sequence[Policy] = ()
    resource: Policy | None = None
    must_name: bool = False
    must_delegate: bool = False


@dataclass(frozen=True)
class Decision:
    """``reason`` ends a sentence: "is not authorized to perform … because …"."""

    allowed: bool
    reason: str = ""


def decide(access: Access, principal: Principal, policies: Policies) -> Decision:
    """Whether ``principal`` may."""
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
    return _without_deny(access, principal, policies, "Allow" in in_identity, allowing)


def _without_deny(
    access: Access,
    principal: Principal,
    policies: Policies,
    by_identity: bool,
    allowing: Sequence[Statement],
) -> Decision:
    """``allowing`` are the allows of the resource's policy that speak of this."""
    no_identity = f"because no identity-based policy allows the {access.action} action"
    no_resource = f"because no resource-based policy allows the {access.action} action"
    named = any(_names(statement, principal) for statement in allowing)
    if principal.is_service or policies.must_name:
        return Decision(True) if named else Decision(False, no_resource)
    if principal.account == access.account:
        directly = any(_names_directly(statement, principal) for statement in allowing)
        if policies.must_delegate and not named:
            return Decision(False, no_resource)
        return Decision(True) if by_identity or directly else Decision(False, no_identity)
    if not named:
        return Decision(False, no_resource)
    return Decision(True) if by_identity else Decision(False, no_identity)


def _names_directly(statement: Statement, principal: Principal) -> bool:
    if principal.is_service:
        return bool(statement.principals & {("Service", principal.name), ("AWS", EVERYBODY)})
    names = (EVERYBODY, principal.name, principal.role_arn)
    return any(("AWS", name) in statement.principals for name in names)


def _names(statement: Statement, principal: Principal) -> bool:
    """Whether a resource's statement is about ``principal``, or about all of its account.

    To name the account is to leave it to the account's own policies.
    """
    account = principal.account
    if account and statement.principals & {
        ("AWS", account),
        ("AWS", f"arn:aws:iam::{account}:root"),
    }:
        return True
    return _names_directly(statement, principal)
