"""What goes into an archive: values only."""

from dataclasses import dataclass
from datetime import UTC, datetime

EPOCH = datetime(1980, 1, 1, tzinfo=UTC)
"""The first moment that ZIP can say."""


@dataclass(frozen=True, slots=True)
class Source:
    """An object in S3, as it was asked for."""

    bucket: str
    key: str
    version_id: str | None = None

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.key}"


@dataclass(frozen=True, slots=True)
class Entry:
    """A source and the member name that it gets. The name is safe and unique already.

    With ``size`` and ``etag``, the one state of the object that is wanted.
    """

    name: str
    source: Source
    size: int | None = None
    etag: str | None = None


@dataclass(frozen=True, slots=True)
class ObjectVersion:
    """A source at the one state that the archive is made of. ``etag`` is quoted, as S3 gives it.

    ``version_id`` is None where the bucket keeps no versions.
    """

    source: Source
    etag: str
    size: int
    modified: datetime
    version_id: str | None = None
