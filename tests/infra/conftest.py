"""What the Pulumi program declares."""

import json
from collections.abc import Mapping

import pytest

from tests.infra.registered import Stack
from tools.declared import Resource, declared

ALARM_EMAIL = "on-call@example.com"
STACK = "s3-zip-jobs-dev"


class Declared:
    """The declared resources, by their types without ``aws:`` and names without the stack's."""

    def __init__(self, resources: Mapping[str, Resource]) -> None:
        self.resources = resources

    def of(self, type_: str) -> dict[str, Resource]:
        """All resources of a type."""
        return {
            one.name.removeprefix(f"{STACK}-"): one
            for one in self.resources.values()
            if one.type == f"aws:{type_}"
        }

    def mark(self, type_: str, name: str) -> str:
        """What a reference to a resource looks like in the inputs of another."""
        return f"<{self.of(type_)[name].key}>"


def denies_plain_http(policy: Resource) -> bool:
    return any(
        statement["Effect"] == "Deny"
        and statement["Principal"] == "*"
        and statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
        for statement in json.loads(policy.inputs["policy"])["Statement"]
    )


@pytest.fixture(scope="session")
def program() -> Declared:
    """With somebody for the alarms to write to."""
    return Declared(declared("dev", {"alarmEmail": ALARM_EMAIL}))


@pytest.fixture(scope="session")
def stack() -> Stack:
    """The same, with what Pulumi's engine is told besides."""
    return Stack("dev", {"alarmEmail": ALARM_EMAIL})
