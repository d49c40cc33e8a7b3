"""Conditions of policy statements: the operators and keys that are played here.

"IAM JSON policy elements: Condition operators" in the IAM User Guide says what each does. An
operator or a key that is not in these tables is an error, for a condition that is not looked at
would let through what AWS refuses.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from local.errors import LocalError
from local.iam.wildcards import wildcard_pattern

SECURE_TRANSPORT = "aws:securetransport"

KEYS = frozenset(
    {
        "aws:principalaccount",
        "aws:principalarn",
        "aws:principalisawsservice",
        "aws:resourceaccount",
        SECURE_TRANSPORT,
        "aws:sourceaccount",
        "aws:sourcearn",
        "kms:encryptioncontext:aws:logs:arn",
        "kms:viaservice",
        "s3:delimiter",
        "s3:if-match",
        "s3:if-none-match",
        "s3:prefix",
        "s3:resourceaccount",
        "s3:versionid",
        "s3:x-amz-server-side-encryption",
        "s3:x-amz-server-side-encryption-aws-kms-key-id",
    }
)
"""In lower case, for AWS compares the names of keys without regard to case."""

ARN_PARTS = 6


class PolicyError(LocalError):
    """A policy that cannot be evaluated here, or not at all; the message says why."""


def _equals(wanted: str, found: str) -> bool:
    return wanted == found


def _like(wanted: str, found: str) -> bool:
    return re.fullmatch(wildcard_pattern(wanted), found, re.DOTALL) is not None


def _arn_like(wanted: str, found: str) -> bool:
    """Part by part: a wildcard does not reach over a colon, but in the last part."""
    one, other = wanted.split(":", ARN_PARTS - 1), found.split(":", ARN_PARTS - 1)
    return len(one) == len(other) and all(map(_like, one, other))


def _same_flag(wanted: str, found: str) -> bool:
    return wanted.lower() == found.lower()


_OPERATORS: Mapping[str, tuple[Callable[[str, str], bool], bool]] = {
    "ArnEquals": (_arn_like, False),
    "ArnLike": (_arn_like, False),
    "ArnNotEquals": (_arn_like, True),
    "ArnNotLike": (_arn_like, True),
    "Bool": (_same_flag, False),
    "StringEquals": (_equals, False),
    "StringLike": (_like, False),
    "StringNotEquals": (_equals, True),
    "StringNotLike": (_like, True),
}
"""What compares a value, and whether the operator wants that none is so. Bool has no opposite."""


@dataclass(frozen=True)
class Condition:
    """One key under one operator. Of its values one is enough; of a negated one, none may be."""

    compare: Callable[[str, str], bool]
    is_negated: bool
    is_for_absent: bool
    key: str
    values: tuple[str, ...]

    def holds(self, context: Mapping[str, str]) -> bool:
        """Whether a request with these keys, in lower case, meets the condition.

        A key that the request does not have meets none, unless the operator is negated or ends in
        ``IfExists``.
        """
        found = context.get(self.key)
        if found is None:
            return self.is_negated or self.is_for_absent
        return any(self.compare(value, found) for value in self.values) != self.is_negated


def parse_conditions(block: Any) -> tuple[Condition, ...]:
    """The conditions of a statement's ``Condition``. Raises PolicyError."""
    if not isinstance(block, Mapping):
        raise PolicyError(f"Condition is {block!r}, but it must be an object.")
    return tuple(
        _condition(operator, key, values)
        for operator, keys in block.items()
        for key, values in keys.items()
    )


def _condition(operator: str, key: str, values: Any) -> Condition:
    name = operator.removesuffix("IfExists")
    if name not in _OPERATORS:
        raise PolicyError(
            f"The condition operator {operator} is not played by the embedded AWS. "
            "Add it to local/iam/conditions.py."
        )
    if key.lower() not in KEYS:
        raise PolicyError(
            f"The condition key {key} is not played by the embedded AWS. "
            "Add it to local/iam/conditions.py, and to the requests that have it."
        )
    compare, is_negated = _OPERATORS[name]
    return Condition(compare, is_negated, operator != name, key.lower(), strings(values))


def strings(values: Any) -> tuple[str, ...]:
    """A value, or a list of values, of a policy's element. Raises PolicyError."""
    found: Sequence[Any] = values if isinstance(values, list) else [values]
    texts = [str(value).lower() if isinstance(value, bool) else value for value in found]
    for text in texts:
        if not isinstance(text, str):
            raise PolicyError(f"{text!r} stands in a policy where a string must be.")
        if "${" in text:
            raise PolicyError(f"{text!r}: policy variables are not played by the embedded AWS.")
    return tuple(texts)
