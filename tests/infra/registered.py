"""The resource options of a stack: protection, retention and dependencies."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from pulumi.runtime.mocks import MockMonitor

from tools.declared import Resource, declared


@dataclass(frozen=True)
class Options:
    """The options of a resource. ``after`` are the resources that are created before it."""

    is_protected: bool
    is_retained: bool
    after: frozenset[str]


class Stack:
    """The resources of a stack and their options, by kind and name.

    An example of a key is ``Bucket s3-zip-jobs-dev-source``. ``overrides`` are settings of
    ``Pulumi.yaml`` by name. Raises the exceptions of the program.
    """

    def __init__(self, name: str, overrides: Mapping[str, Any]) -> None:
        self.options: dict[str, Options] = {}
        register = MockMonitor.RegisterResource

        def noting(monitor: MockMonitor, request: Any) -> Any:
            self.options[_key(request.type, request.name)] = Options(
                request.protect,
                request.retainOnDelete,
                frozenset(map(_named, request.dependencies)),
            )
            return register(monitor, request)  # type: ignore[no-untyped-call]

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(MockMonitor, "RegisterResource", noting)
            self.resources = list(declared(name, overrides).values())

    def of(self, kind: str) -> list[Resource]:
        return [one for one in self.resources if one.type.endswith(f":{kind}")]


def _key(type_: str, name: str) -> str:
    return f"{type_.rpartition(':')[2]} {name}"


def _named(urn: str) -> str:
    *_, types, name = urn.split("::")
    return _key(types, name)
