"""Conditions and wildcards of policy statements.

The operators follow "IAM JSON policy elements: Condition operators" in the IAM User Guide. An
operator or a key that is not in these tables is an error, because an ignored condition could allow
what AWS denies.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from local.errors import LocalError

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
"""In lower case: AWS compares the names of keys case-insensitively."""

_ARN_PARTS = 6


class PolicyError(LocalError):
    """A policy that is invalid, or that the embedded AWS cannot evaluate."""


def wildcard_pattern(text: str) -> str:
    """Return a regular expression for ``text``: ``*`` is any string, ``?`` any character."""
    return re.escape(text).replace(r"\*", ".*").replace(r"\?", ".")


def _equals(expected: str, actual: str) -> bool:
    return expected == actual


def _like(expected: str, actual: str) -> bool:
    return re.fullmatch(wildcard_pattern(expected), actual, re.DOTALL) is not None


def _arn_like(expected: str, actual: str) -> bool:
    """Compare part by part: only in the last part does a wildcard match colons."""
    parts = expected.split(":", _ARN_PARTS - 1), actual.split(":", _ARN_PARTS - 1)
    return len(parts[0]) == len(parts[1]) and all(map(_like, *parts))


def _same_flag(expected: str, actual: str) -> bool:
    return expected.lower() == actual.lower()


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
"""How to compare a value, and whether the operator is negated."""


@dataclass(frozen=True)
class Condition:
    """One key of one operator. One of its values must match; if negated, none may match."""

    compare: Callable[[str, str], bool]
    is_negated: bool
    if_exists: bool
    key: str
    values: tuple[str, ...]

    def holds(self, context: Mapping[str, str]) -> bool:
        """Return whether a request with these condition keys (in lower case) meets the condition.

        A request without the key meets it only if the operator is negated or ends in ``IfExists``.
        """
        actual = context.get(self.key)
        if actual is None:
            return self.is_negated or self.if_exists
        return any(self.compare(value, actual) for value in self.values) != self.is_negated


def parse_conditions(block: Any) -> tuple[Condition, ...]:
    """Parse a statement's ``Condition``. Raises PolicyError."""
    if not isinstance(block, Mapping):
        raise PolicyError(f"Condition is {block!r}. It must be an object.")
    return tuple(
        _condition(operator, key, values)
        for operator, keys in block.items()
        for key, values in keys.items()
    )


def _condition(operator: str, key: str, values: Any) -> Condition:
    name = operator.removesuffix("IfExists")
    if name not in _OPERATORS:
        raise PolicyError(
            f"The embedded AWS does not support the condition operator {operator}. "
            "Add it to local/iam/conditions.py."
        )
    if key.lower() not in KEYS:
        raise PolicyError(
            f"The embedded AWS does not support the condition key {key}. "
            "Add it to local/iam/conditions.py, and to the requests that set it."
        )
    compare, is_negated = _OPERATORS[name]
    return Condition(compare, is_negated, operator != name, key.lower(), strings(values))


def strings(values: Any) -> tuple[str, ...]:
    """Return the strings of a policy element: one value or a list. Raises PolicyError."""
    listed: Sequence[Any] = values if isinstance(values, list) else [values]
    texts = [str(value).lower() if isinstance(value, bool) else value for value in listed]
    for text in texts:
        if not isinstance(text, str):
            raise PolicyError(f"A policy contains {text!r}. It must be a string.")
        if "${" in text:
            raise PolicyError(f"{text!r}: the embedded AWS does not support policy variables.")
    return tuple(texts)
