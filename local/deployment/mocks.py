"""Runs in place of Pulumi's engine: creates each declared resource at once."""

from typing import Any

import pulumi

from local.deployment.resources import Resources, fixed_suffix


class EmbeddedProvider(pulumi.runtime.Mocks):
    """Creates resources for the Pulumi program. The same program always has the same names."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources

    def new_resource(
        self, args: pulumi.runtime.MockResourceArgs
    ) -> tuple[str | None, dict[str, Any]]:
        """Create a resource. Return its ID and its outputs."""
        if not args.custom:
            return "", dict(args.inputs)
        inputs = self._resources.check(args.typ, args.name, args.inputs, fixed_suffix(args.name))
        resource_id, outputs = self._resources.create(args.typ, inputs)
        return resource_id, {**inputs, **outputs}

    def call(
        self, args: pulumi.runtime.MockCallArgs
    ) -> tuple[dict[str, Any], list[tuple[str, str]]]:
        """Call a function of the provider."""
        return self._resources.call(args.token, args.args), []
