"""Parses policy documents: "IAM JSON policy elements reference" in the IAM User Guide.

An element that the embedded AWS does not support is an error.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal

from local.iam.conditions import Condition, PolicyError, parse_conditions, strings, wildcard_pattern

Kind = Literal["identity", "resource", "trust"]
"""A role's permissions policy, a resource's policy, or a role's trust policy."""

VERSION = "2012-10-17"
EVERYONE = "*"

_ELEMENTS = frozenset(
    {"Sid", "Effect", "Action", "NotAction", "Resource", "NotResource", "Principal", "Condition"}
)
_PRINCIPALS = ("AWS", "Service")


@dataclass(frozen=True)
class Matcher:
    """The element ``Action``, ``NotAction``, ``Resource`` or ``NotResource``."""

    pattern: re.Pattern[str]
    is_negated: bool

    def matches(self, text: str) -> bool:
        return (self.pattern.fullmatch(text) is None) == self.is_negated


@dataclass(frozen=True)
class Statement:
    """One statement. ``principals`` are pairs of kind and name; a role's policy has none."""

    effect: str
    actions: Matcher
    resources: Matcher | None
    principals: frozenset[tuple[str, str]]
    conditions: tuple[Condition, ...]
    source: Mapping[str, Any] = field(hash=False, compare=False)

    def applies(self, action: str, resource: str, context: Mapping[str, str]) -> bool:
        """Return whether the statement applies, for any principal."""
        return (
            self.actions.matches(action)
            and (self.resources is None or self.resources.matches(resource))
            and all(condition.holds(context) for condition in self.conditions)
        )


@dataclass(frozen=True)
class Policy:
    """A parsed policy document."""

    statements: tuple[Statement, ...]


@lru_cache(maxsize=4096)
def parse_policy(document: str, kind: Kind) -> Policy:
    """Parse a document. Raises PolicyError if it is invalid or not supported."""
    try:
        content = json.loads(document)
    except ValueError as error:
        raise PolicyError(f"A policy is not valid JSON: {error}") from error
    if not isinstance(content, dict) or content.get("Version") != VERSION:
        raise PolicyError(f"A policy's Version must be {VERSION}.")
    if unknown := content.keys() - {"Version", "Id", "Statement"}:
        raise PolicyError(f"A policy has the unknown element {sorted(unknown)[0]}.")
    statements = content.get("Statement", [])
    statements = statements if isinstance(statements, list) else [statements]
    return Policy(tuple(_statement(statement, kind) for statement in statements))


def _statement(source: Any, kind: Kind) -> Statement:
    if unknown := source.keys() - _ELEMENTS:
        raise PolicyError(
            f"The embedded AWS does not support the policy element {sorted(unknown)[0]}."
        )
    if source.get("Effect") not in ("Allow", "Deny"):
        raise PolicyError(f"Effect is {source.get('Effect')!r}. It must be Allow or Deny.")
    if ("Principal" in source) == (kind == "identity"):
        raise PolicyError("A role's policy must not have a Principal, and other policies must.")
    return Statement(
        effect=source["Effect"],
        actions=_matcher(source, "Action", re.IGNORECASE),
        resources=None if kind == "trust" else _matcher(source, "Resource"),
        principals=_principals(source.get("Principal", {})),
        conditions=parse_conditions(source.get("Condition", {})),
        source=source,
    )


def _matcher(source: Mapping[str, Any], element: str, flags: int = 0) -> Matcher:
    present = [name for name in (element, f"Not{element}") if name in source]
    if len(present) != 1:
        raise PolicyError(f"A statement must have either {element} or Not{element}.")
    pattern = "|".join(map(wildcard_pattern, strings(source[present[0]])))
    return Matcher(re.compile(pattern, re.DOTALL | flags), is_negated=present[0] != element)


def _principals(element: Any) -> frozenset[tuple[str, str]]:
    if element == EVERYONE:
        return frozenset({("AWS", EVERYONE)})
    if not isinstance(element, Mapping) or element.keys() - set(_PRINCIPALS):
        raise PolicyError(f"The embedded AWS does not support the Principal {element!r}.")
    return frozenset((kind, name) for kind, names in element.items() for name in strings(names))
