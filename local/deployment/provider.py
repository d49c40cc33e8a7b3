"""A Pulumi provider for the embedded AWS: creates each declared resource on a moto server."""

from typing import Any

import pulumi

from local.deployment.declarations import Declarations
from local.deployment.resources import Resources
from local.errors import LocalError
from local.names import ACCOUNT_ID

WHO_AM_I = "aws:index/getCallerIdentity:getCallerIdentity"


class EmbeddedProvider(pulumi.runtime.Mocks):
    """Answers the Pulumi engine's questions by doing what they ask for."""

    def __init__(self, endpoint_url: str, region: str, api_url: str) -> None:
        self.declarations = Declarations()
        self._resources = Resources(endpoint_url, region, api_url, self.declarations)

    def new_resource(
        self, args: pulumi.runtime.MockResourceArgs
    ) -> tuple[str | None, dict[str, Any]]:
        """Create a resource; return its id and its outputs."""
        if not args.custom:
            return "", dict(args.inputs)
        create = self._resources.creators.get(args.typ)
        if create is None:
            raise LocalError(
                f"{args.typ} ({args.name}) is declared, but the embedded AWS does not play this "
                "type. Add it to local/deployment/resources.py."
            )
        resource_id, outputs = create(args.name, args.inputs)
        return resource_id, {**args.inputs, **outputs}

    def call(
        self, args: pulumi.runtime.MockCallArgs
    ) -> tuple[dict[str, Any], list[tuple[str, str]]]:
        """Functions of the provider: the program asks only whose the account is."""
        if args.token != WHO_AM_I:
            raise LocalError(f"{args.token} is called, but the embedded AWS does not play it.")
        return {"accountId": ACCOUNT_ID}, []
