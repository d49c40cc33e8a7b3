"""How the resources of one type are managed."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

Inputs = Mapping[str, Any]
"""A resource's properties, with names in camelCase and numbers as floats."""

Outputs = dict[str, Any]
"""The properties that the AWS provider adds to the inputs."""

Created = tuple[str, Outputs]
"""A resource's ID, and its outputs."""


@dataclass(frozen=True)
class ResourceType:
    """The operations on the resources of a type.

    ``update`` changes a resource in place: it gets the ID, the old properties and the new inputs.
    ``delete`` and ``read`` get the ID and the properties. ``read`` calls AWS, which raises
    ClientError for a resource that does not exist.
    """

    create: Callable[[Inputs], Created]
    update: Callable[[str, Inputs, Inputs], object]
    delete: Callable[[str, Inputs], object]
    read: Callable[[str, Inputs], object]

    @classmethod
    def setting(
        cls,
        of: str,
        put: Callable[[Inputs], object],
        delete: Callable[[Inputs], object],
        read: Callable[[Inputs], object],
    ) -> "ResourceType":
        """Return a type whose resources are settings of others, named by the property ``of``."""

        def create(inputs: Inputs) -> Created:
            put(inputs)
            return inputs[of], {}

        return cls(
            create=create,
            update=lambda _id, old, new: put(new),
            delete=lambda _id, properties: delete(properties),
            read=lambda _id, properties: read(properties),
        )

    def exists(self, resource_id: str, properties: Inputs) -> bool:
        """Return whether AWS has the resource. Raises ClientError if the call fails."""
        try:
            self.read(resource_id, properties)
        except ClientError as error:
            if is_missing(error):
                return False
            raise
        except KeyError:  # a resource that exists only as a declaration
            return False
        return True


def is_missing(error: ClientError) -> bool:
    """Return whether AWS reports that something does not exist."""
    code = error.response["Error"]["Code"]
    status = error.response["ResponseMetadata"]["HTTPStatusCode"]
    return status == 404 or any(word in code for word in ("NotFound", "NonExistent", "NoSuch"))
