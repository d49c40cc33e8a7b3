"""Fixtures with the resources that the Pulumi program declares."""

import json
from collections.abc import Mapping

import pytest

from tests.infra.registered import Stack
from tools.declared import Resource, declared

ALARM_EMAIL = "on-call@example.com"
STACK = "s3-zip-jobs-dev"


class Declared:
    """The declared resources, by type without ``aws:`` and by name without the stack's prefix."""

    def __init__(self, resources: Mapping[str, Resource]) -> None:
        self.resources = resources

    def of(self, type_: str) -> dict[str, Resource]:
        """Return all resources of a type, by name."""
        return {
            one.name.removeprefix(f"{STACK}-"): one
            for one in self.resources.values()
            if one.type == f"aws:{type_}"
        }

    def mark(self, type_: str, name: str) -> str:
        """Return how other resources' inputs refer to this resource."""
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
    """The development stack with an alarm email."""
    return Declared(declared("dev", {"alarmEmail": ALARM_EMAIL}))


@pytest.fixture(scope="session")
def stack() -> Stack:
    """The same stack, with the resource options."""
    return Stack("dev", {"alarmEmail": ALARM_EMAIL})
