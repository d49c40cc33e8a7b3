"""What the Pulumi program declares, and which resource refers to which."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pulumi
from pulumi.runtime.mocks import MockMonitor
from pulumi.runtime.settings import get_monitor

from local.deployment.program import configuration, run_program
from local.names import ACCOUNT_ID

OUTPUTS = ("apiEndpoint", "arn", "bucket", "executionArn", "invokeArn", "name", "url")
"""What resources are referred to by, besides their ids."""

_MARK = re.compile("<(aws:[^<>]+)>")


@dataclass(frozen=True)
class Resource:
    """A declared resource. ``component`` is the type of the component that it is part of, if any;
    ``references`` are the keys of the resources that its inputs name.
    """

    type: str
    name: str
    component: str | None
    inputs: Mapping[str, Any]

    @property
    def key(self) -> str:
        return key_of(self.type, self.name)

    @property
    def references(self) -> frozenset[str]:
        return references_in(self.inputs)


def key_of(type_: str, name: str) -> str:
    """What a resource is known by here. It has no slash: where one begins a path begins."""
    return f"{type_.replace('/', '.')} {name}"


def references_in(value: Any) -> frozenset[str]:
    """The keys of the resources that a value names, wherever in it."""
    return frozenset(_MARK.findall(json.dumps(value, default=str)))


def declared(stack: str = "dev", overrides: Mapping[str, Any] | None = None) -> dict[str, Resource]:
    """Run the program; return its resources by key, in the order of their keys.

    ``overrides`` are settings of ``Pulumi.yaml`` by name. Raises what the program raises.
    """
    recorder = _Recorder()
    run_program(recorder, stack, configuration(stack, overrides or {}))
    monitor = get_monitor()
    assert isinstance(monitor, MockMonitor)
    resources = {}
    for urn, registered in monitor.get_registered_resources().items():
        *parents, type_ = urn.split("::")[2].split("$")
        if registered.id:
            component = parents[-1] if parents and parents[-1].startswith("s3zipjobs:") else None
            name = urn.split("::")[3]
            one = Resource(type_, name, component, recorder.inputs[type_, name])
            resources[one.key] = one
    return dict(sorted(resources.items()))


class _Recorder(pulumi.runtime.Mocks):
    """Keeps the inputs of each resource. What a resource is known by carries a mark."""

    def __init__(self) -> None:
        self.inputs: dict[tuple[str, str], dict[str, Any]] = {}

    def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str, dict[str, Any]]:
        if not args.custom:
            return "", dict(args.inputs)
        self.inputs[args.typ, args.name] = args.inputs
        mark = f"<{key_of(args.typ, args.name)}>"
        return mark, {**dict.fromkeys(OUTPUTS, mark), **args.inputs}

    def call(
        self, args: pulumi.runtime.MockCallArgs
    ) -> tuple[dict[str, Any], list[tuple[str, str]]]:
        return {"accountId": ACCOUNT_ID}, []
