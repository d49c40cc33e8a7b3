"""The target of an archive."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

OWNER_TAG = "made-for"
"""The metadata key that marks the objects that this service created."""


@dataclass(frozen=True, slots=True)
class Target:
    """The target of an archive. Objects with another ``owner_tag`` are never removed.

    The object is created with ``storage_class``, ``tags`` and ``metadata``.
    """

    bucket: str
    key: str
    owner_tag: str = ""
    storage_class: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)

    @property
    def attributes(self) -> dict[str, Any]:
        """The arguments of boto3's methods that create the object, for what it should have."""
        attributes: dict[str, Any] = {"Metadata": {**self.metadata, OWNER_TAG: self.owner_tag}}
        if self.storage_class is not None:
            attributes["StorageClass"] = self.storage_class
        if self.tags:
            attributes["Tagging"] = urlencode(self.tags)
        return attributes

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.key}"
