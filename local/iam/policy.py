"""Policy documents, read once: "IAM JSON policy elements reference" in the IAM User Guide.

What cannot be read, or is not played here, is an error that says so.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal

from local.iam.conditions import Condition, PolicyError, parse_conditions, strings
from local.iam.wildcards import any_of

Kind = Literal["identity", "resource", "trust"]
"""What a policy belongs to: a role, a resource, or a role as that which is assumed."""

VERSION = "2012-10-17"
EVERYBODY = "*"

_ELEMENTS = frozenset(
    {"Sid", "Effect", "Action", "NotAction", "Resource", "NotResource", "Principal", "Condition"}
)
_PRINCIPALS = ("AWS", "Service")


@dataclass(frozen=True)
class Matcher:
    """An element, or its opposite: ``Action`` or ``NotAction``, ``Resource`` or ``NotResource``."""

    pattern: re.Pattern[str]
    is_negated: bool

    def matches(self, text: str) -> bool:
        return (self.pattern.fullmatch(text) is None) == self.is_negated


@dataclass(frozen=True)
class Statement:
    """One statement. ``principals`` are pairs of kind and name, or nothing in a role's policy."""

    effect: str
    actions: Matcher
    resources: Matcher | None
    principals: frozenset[tuple[str, str]]
    conditions: tuple[Condition, ...]
    source: Mapping[str, Any] = field(hash=False, compare=False)

    def applies(self, action: str, resource: str, context: Mapping[str, str]) -> bool:
        """Whether the statement speaks of this, whoever asks."""
        return (
            self.actions.matches(action)
            and (self.resources is None or self.resources.matches(resource))
            and all(condition.holds(context) for condition in self.conditions)
        )


@dataclass(frozen=True)
class Policy:
    """A policy document, ready to be asked."""

    statements: tuple[Statement, ...]


@lru_cache(maxsize=4096)
def parse_policy(document: str, kind: Kind) -> Policy:
    """Read a document. Raises PolicyError if it is wrong, or says what is not played here."""
    try:
        content = json.loads(document)
    except ValueError as error:
        raise PolicyError(f"A policy is not JSON: {error}") from error
    if not isinstance(content, dict) or content.get("Version") != VERSION:
        raise PolicyError(f"A policy's Version must be {VERSION}.")
    if unknown := content.keys() - {"Version", "Id", "Statement"}:
        raise PolicyError(f"A policy has no element {sorted(unknown)[0]}.")
    found = content.get("Statement", [])
    statements = found if isinstance(found, list) else [found]
    return Policy(tuple(_statement(statement, kind) for statement in statements))


def _statement(source: Any, kind: Kind) -> Statement:
    if unknown := source.keys() - _ELEMENTS:
        raise PolicyError(
            f"The element {sorted(unknown)[0]} of a policy is not played by the embedded AWS."
        )
    if source.get("Effect") not in ("Allow", "Deny"):
        raise PolicyError(f"Effect is {source.get('Effect')!r}, but it must be Allow or Deny.")
    if ("Principal" in source) == (kind == "identity"):
        raise PolicyError("A role's policy has no Principal, and every other policy must have one.")
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
    texts = strings(source[present[0]])
    return Matcher(any_of(texts, flags), is_negated=present[0] != element)


def _principals(found: Any) -> frozenset[tuple[str, str]]:
    if found == EVERYBODY:
        return frozenset({("AWS", EVERYBODY)})
    if not isinstance(found, Mapping) or found.keys() - set(_PRINCIPALS):
        raise PolicyError(f"The Principal {found!r} is not played by the embedded AWS.")
    return frozenset((kind, name) for kind, names in found.items() for name in strings(names))
