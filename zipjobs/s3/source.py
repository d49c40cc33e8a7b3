"""The objects that are zipped."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, NotRequired, TypedDict


class RequestPayer(TypedDict):
    """The argument ``RequestPayer`` of boto3's methods."""

    RequestPayer: NotRequired[Literal["requester"]]


EPOCH = datetime(1980, 1, 1, tzinfo=UTC)
"""The earliest time that ZIP can store."""

NULL_VERSION = "null"
"""The version ID of objects that were written while the bucket's versioning was not enabled."""


@dataclass(frozen=True, slots=True)
class Source:
    """An object in S3, as requested. ``requester_pays``: its reader accepts the charges."""

    bucket: str
    key: str
    version_id: str | None = None
    requester_pays: bool = False

    @property
    def payer(self) -> "RequestPayer":
        """The argument of boto3's methods that accepts the charges."""
        return {"RequestPayer": "requester"} if self.requester_pays else {}

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.key}"


def is_folder_marker(key: str, size: int | None) -> bool:
    """Return whether an object is an empty one that a tool created to show a folder."""
    return size == 0 and key.endswith("/")


@dataclass(frozen=True, slots=True)
class Entry:
    """A source and its member name, which is safe and unique.

    ``size`` and ``etag``, if known, identify the version to zip. The name of a folder ends with a
    slash; its source is a folder marker.
    """

    name: str
    source: Source
    size: int | None = None
    etag: str | None = None


@dataclass(frozen=True, slots=True)
class SkippedEntry:
    """An entry that is left out of the archive. ``code`` is the error code of its object."""

    entry: Entry
    code: str


@dataclass(frozen=True, slots=True)
class ObjectVersion:
    """The version of a source that is zipped. ``etag`` is quoted, as in S3's responses.

    ``modified`` is the time that the archive shows.
    ``version_id`` is None if the bucket has no versioning.
    """

    source: Source
    etag: str
    size: int
    modified: datetime
    version_id: str | None = None
