"""The target of an archive."""

from dataclasses import dataclass

OWNER_TAG = "made-for"
"""The metadata key that marks the objects that this service created."""


@dataclass(frozen=True, slots=True)
class Target:
    """The target of an archive. Objects with another ``owner_tag`` are never removed."""

    bucket: str
    key: str
    owner_tag: str = ""

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.key}"
