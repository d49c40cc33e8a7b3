"""Pulumi mocks that record what the program declares, with realistic names and ARNs."""

from typing import Any

import pulumi

from tools.declared import called


class Recorder(pulumi.runtime.Mocks):
    """Records the inputs of each resource, by type and logical name."""

    def __init__(self) -> None:
        self.resources: dict[tuple[str, str], dict[str, Any]] = {}

    def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str, dict[str, Any]]:
        self.resources[args.typ, args.name] = args.inputs
        known = {
            "name": args.name,
            "bucket": args.name,
            "arn": f"arn:{args.name}",
            "url": f"https://{args.name}",
            "invokeArn": f"arn:invoke/{args.name}",
            "executionArn": f"arn:execute/{args.name}",
            "apiEndpoint": "https://api",
        }
        return f"{args.name}-id", {**known, **args.inputs}

    def call(
        self, args: pulumi.runtime.MockCallArgs
    ) -> tuple[dict[str, Any], list[tuple[str, str]]]:
        return called()

    def of_type(self, token: str) -> dict[str, dict[str, Any]]:
        """Return the inputs of all resources of a type, by logical name."""
        return {name: inputs for (typ, name), inputs in self.resources.items() if typ == token}
