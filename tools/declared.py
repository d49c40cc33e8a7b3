"""The resources that the Pulumi program declares, and the references between them."""

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
"""The outputs by which resources refer to each other, in addition to their IDs."""

_MARK = re.compile("<(aws:[^<>]+)>")


@dataclass(frozen=True)
class Resource:
    """A declared resource. ``component`` is the type of the component that contains it.

    ``references`` are the keys of the resources that its inputs refer to.
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
    """Return the key of a resource. It contains no slash, which would end a bucket name in ARNs."""
    return f"{type_.replace('/', '.')} {name}"


def references_in(value: Any) -> frozenset[str]:
    """Return the keys of the resources that a value refers to."""
    return frozenset(_MARK.findall(json.dumps(value, default=str)))


def declared(stack: str = "dev", overrides: Mapping[str, Any] | None = None) -> dict[str, Resource]:
    """Run the program and return its resources by key, sorted.

    ``overrides`` are settings of ``Pulumi.yaml`` by name.
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


def called() -> tuple[dict[str, Any], list[tuple[str, str]]]:
    """Return the result of any function of the provider: an account, and a bucket in the region."""
    region = pulumi.Config("aws").require("region")
    return {"accountId": ACCOUNT_ID, "bucketRegion": region}, []


class _Recorder(pulumi.runtime.Mocks):
    """Records the inputs of each resource. IDs and outputs are marks that name the resource."""

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
        return called()
