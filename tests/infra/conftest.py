"""What the Pulumi program declares."""

from collections.abc import Mapping

import pytest

from pictures.declared import Resource, declared

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


@pytest.fixture(scope="session")
def program() -> Declared:
    """With somebody for the alarms to write to."""
    return Declared(declared("dev", {"alarmEmail": ALARM_EMAIL}))
