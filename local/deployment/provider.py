"""A Pulumi provider that creates the declared resources on a moto server."""

from typing import Any

import pulumi

from local.deployment.declarations import Declarations
from local.deployment.resources import Resources
from local.errors import LocalError
from local.names import ACCOUNT_ID

GET_CALLER_IDENTITY = "aws:index/getCallerIdentity:getCallerIdentity"
GET_BUCKET = "aws:s3/getBucket:getBucket"


class EmbeddedProvider(pulumi.runtime.Mocks):
    """Creates resources for the Pulumi program, in place of the Pulumi engine."""

    def __init__(self, endpoint_url: str, region: str, api_url: str) -> None:
        self.declarations = Declarations()
        self._resources = Resources(endpoint_url, region, api_url, self.declarations)

    def new_resource(
        self, args: pulumi.runtime.MockResourceArgs
    ) -> tuple[str | None, dict[str, Any]]:
        """Create a resource. Return its ID and its outputs."""
        if not args.custom:
            return "", dict(args.inputs)
        create = self._resources.creators.get(args.typ)
        if create is None:
            raise LocalError(
                f"The embedded AWS does not support {args.typ} ({args.name}). "
                "Add the type to local/deployment/resources.py."
            )
        resource_id, outputs = create(args.name, args.inputs)
        return resource_id, {**args.inputs, **outputs}

    def call(
        self, args: pulumi.runtime.MockCallArgs
    ) -> tuple[dict[str, Any], list[tuple[str, str]]]:
        """Call a function of the provider."""
        if args.token == GET_CALLER_IDENTITY:
            return {"accountId": ACCOUNT_ID}, []
        if args.token == GET_BUCKET:
            return {"bucketRegion": self._resources.bucket_region(args.args["bucket"])}, []
        raise LocalError(f"The embedded AWS does not support the call {args.token}.")
