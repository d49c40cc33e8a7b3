"""Policies without one of their permissions, and the recorded requests that this affects."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from local.iam.evaluation import decide
from local.iam.permissions import Evaluation
from local.iam.policy import parse_policy
from local.iam.policy_store import PolicyDocument, PolicyStore

OURS = "s3-zip-jobs-dev-"
_NAME = re.compile(rf"{OURS}([\w-]+?)-[0-9a-f]{{7}}")

Removed = Literal["statement", "action", "resource", "condition"]


@dataclass(frozen=True)
class Mutant:
    """A policy document without one statement, action, resource or condition value."""

    document: PolicyDocument
    index: int
    removed: Removed
    value: str
    text: str = field(repr=False)

    def __str__(self) -> str:
        return (
            f"{short(self.document.arn)} ({self.document.kind}) without {self.removed} {self.value}"
        )


class WithMutant(PolicyStore):
    """The policies that moto holds, with one replaced by its mutant."""

    def __init__(self, account: str, mutant: Mutant) -> None:
        super().__init__(account)
        self._mutant = mutant

    def role_policies(self, role_arn: str) -> Mapping[str, str]:
        found = super().role_policies(role_arn)
        document = self._mutant.document
        if document.kind != "identity" or document.arn != role_arn:
            return found
        return {**found, document.name: self._mutant.text}

    def resource_policy(self, arn: str) -> str | None:
        document = self._mutant.document
        is_it = document.kind != "identity" and _owner_of(arn) == document.arn
        return self._mutant.text if is_it else super().resource_policy(arn)


def declared(policies: PolicyStore) -> list[PolicyDocument]:
    """Return each policy of the stack. A KMS key has no name, but its policy names the stack."""
    ours = {
        (d.kind, d.arn, d.name): d
        for d in policies.documents()
        if OURS in d.arn or (d.arn.startswith("arn:aws:kms:") and OURS in d.text)
    }
    return [ours[key] for key in sorted(ours)]


def statements(document: PolicyDocument) -> list[dict[str, Any]]:
    """Return the statements of a policy."""
    found: list[dict[str, Any]] = json.loads(document.text)["Statement"]
    return found


def values(statement: Mapping[str, Any], element: str) -> list[str]:
    """Return the values of an element of a statement as a list."""
    found = statement.get(element, [])
    return found if isinstance(found, list) else [found]


def mutants(document: PolicyDocument) -> Iterator[Mutant]:
    """Yield a mutant for each part that can be removed from a policy."""
    found = statements(document)
    for index, statement in enumerate(found):
        others = found[:index] + found[index + 1 :]
        actions, resources = values(statement, "Action"), values(statement, "Resource")
        yield _mutant(document, index, "statement", ", ".join(actions), others)
        both: list[tuple[Removed, str, list[str]]] = [
            ("action", "Action", actions),
            ("resource", "Resource", resources),
        ]
        for removed, element, several in both:
            for value in several if len(several) > 1 else ():
                rest = [other for other in several if other != value]
                changed = [*others, {**statement, element: rest}]
                yield _mutant(document, index, removed, value, changed)
        for value, changed_one in _narrower(statement):
            yield _mutant(document, index, "condition", value, [*others, changed_one])


def _narrower(statement: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the statement without one value, for each condition that has several values."""
    conditions: Mapping[str, Mapping[str, Any]] = statement.get("Condition", {})
    for operator, keys in conditions.items():
        for key, found in keys.items():
            several = found if isinstance(found, list) and len(found) > 1 else []
            for value in several:
                rest = {**keys, key: [other for other in several if other != value]}
                yield value, {**statement, "Condition": {**conditions, operator: rest}}


def broken(mutant: Mutant, evaluations: Iterable[Evaluation], account: str) -> list[Evaluation]:
    """Return the ``evaluations`` whose result changes if the mutant replaces its document."""
    policies, changed = PolicyStore(account), WithMutant(account, mutant)
    statement = statements(mutant.document)[mutant.index]
    only = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    (parsed,) = parse_policy(only, mutant.document.kind).statements
    is_deny = statement["Effect"] == "Deny"
    found = []
    for evaluation in evaluations:
        if not parsed.actions.matches(evaluation.access.action):
            continue
        access = evaluation.access.over_plain_http() if is_deny else evaluation.access
        asked = replace(evaluation, access=access)
        if _allowed(asked, policies) != _allowed(asked, changed):
            found.append(evaluation)
    return found


def short(arn: str) -> str:
    """Return a short name of a resource: ``manifests/work/*`` for an object's ARN."""
    text = _NAME.sub(r"\1", arn)
    if not text.startswith("arn:"):
        return text
    _, _, service, _, _, rest = text.split(":", 5)
    match service:
        case "execute-api":  # API ID, stage, route
            return rest.split("/", 2)[2].replace("/", " /", 1)
        case "s3":
            return rest
        case "sqs":
            return f"queue {rest}"
        case "kms":  # its ID differs in each stack
            return "customer key"
        case _:
            return rest.replace("/", " ", 1) if "/" in rest else rest.replace(":", " ", 1)


def _allowed(evaluation: Evaluation, policies: PolicyStore) -> bool:
    applicable = policies.applicable(evaluation.access, evaluation.principal)
    return decide(evaluation.access, evaluation.principal, applicable).allowed


def _owner_of(arn: str) -> str:
    """Return the resource that has the policy: the bucket of an object."""
    return arn.partition("/")[0] if arn.startswith("arn:aws:s3:::") else arn


def _mutant(
    document: PolicyDocument, index: int, removed: Removed, value: str, rest: list[Any]
) -> Mutant:
    text = json.dumps({"Version": "2012-10-17", "Statement": rest})
    return Mutant(document, index, removed, value, text)
