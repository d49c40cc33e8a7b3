"""Creates, updates and deletes the declared resources of one region on a moto server."""

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from local.deployment.declarations import ROOT, Declarations
from local.deployment.schema import SCHEMAS, Schema
from local.deployment.types.api import ApiResources
from local.deployment.types.buckets import BucketResources
from local.deployment.types.functions import FunctionResources
from local.deployment.types.monitoring import MonitoringResources
from local.deployment.types.queues import QueueResources
from local.deployment.types.resource_type import Created, Inputs, ResourceType, is_missing
from local.deployment.types.tables import TableResources
from local.errors import LocalError
from local.names import ACCOUNT_ID, suffixed
from local.server import aws_client

GET_CALLER_IDENTITY = "aws:index/getCallerIdentity:getCallerIdentity"
GET_BUCKET = "aws:s3/getBucket:getBucket"


def source_tree(archive: object) -> Path:
    """Return the folder of this project's own code, whatever the archive is."""
    return ROOT


class Resources:
    """The resources by type.

    ``code_folder`` returns the folder with the code of a function's archive.
    """

    def __init__(
        self,
        endpoint_url: str,
        region: str,
        api_url: str,
        code_folder: Callable[[Any], Path] = source_tree,
    ) -> None:
        def client(service: str) -> Any:
            return aws_client(service, endpoint_url, region)

        self.declarations = declarations = Declarations()
        self._buckets = BucketResources(client("s3"), region)
        functions = FunctionResources(client("lambda"), client("iam"), declarations, code_folder)
        self.types: Mapping[str, ResourceType] = {
            **ApiResources(region, api_url, declarations).types,
            **self._buckets.types,
            **functions.types,
            **MonitoringResources(client("cloudwatch"), client("logs"), client("sns")).types,
            **QueueResources(client("sqs"), client("events"), declarations).types,
            **TableResources(client("dynamodb"), client("kms")).types,
        }

    def check(self, kind: str, name: str, inputs: Inputs, suffix: str) -> dict[str, Any]:
        """Return ``inputs`` with the name that Pulumi gives to a resource without one.

        ``suffix`` makes it unique. Raises LocalError for a type, or a property, that the embedded
        AWS does not support.
        """
        schema = self.schema(kind, name)
        if unknown := schema.unknown(inputs):
            raise LocalError(
                f"The embedded AWS does not support {', '.join(unknown)} of {kind} ({name}). "
                "Add it to local/deployment/schema.py."
            )
        if schema.named and schema.named not in inputs:
            return {**inputs, schema.named: suffixed(name, suffix)}
        return dict(inputs)

    def schema(self, kind: str, name: str) -> Schema:
        """Return the schema of a type. Raises LocalError if it is not supported."""
        if kind not in SCHEMAS:
            raise LocalError(
                f"The embedded AWS does not support {kind} ({name}). "
                "Add the type to local/deployment/schema.py."
            )
        return SCHEMAS[kind]

    def create(self, kind: str, inputs: Inputs) -> Created:
        """Create a resource with checked inputs. Return its ID and what AWS adds to them."""
        return self.types[kind].create(inputs)

    def update(self, kind: str, resource_id: str, old: Inputs, new: Inputs) -> None:
        """Change a resource in place. ``old`` are its properties, ``new`` its new inputs."""
        self.types[kind].update(resource_id, old, new)

    def delete(self, kind: str, resource_id: str, properties: Inputs) -> None:
        """Delete a resource. It may be gone already."""
        try:
            self.types[kind].delete(resource_id, properties)
        except ClientError as error:
            if not is_missing(error):
                raise

    def exists(self, kind: str, resource_id: str, properties: Inputs) -> bool:
        """Return whether the resource exists."""
        return self.types[kind].exists(resource_id, properties)

    def call(self, function: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Call a function of the provider. Raises LocalError for one that is not supported."""
        if function == GET_CALLER_IDENTITY:
            return {"accountId": ACCOUNT_ID}
        if function == GET_BUCKET:
            return {"bucketRegion": self._buckets.region_of(arguments["bucket"])}
        raise LocalError(f"The embedded AWS does not support the call {function}.")


def fixed_suffix(name: str) -> str:
    """Return the same suffix for a name each time."""
    return hashlib.sha256(name.encode()).hexdigest()
