"""What goes into an archive: values only."""

from dataclasses import dataclass
from datetime import datetime


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
    """A source and the member name that it gets. The name is safe and unique already."""

    name: str
    source: Source


@dataclass(frozen=True, slots=True)
class Pinned:
    """A source at the one state that the archive is made of. ``etag`` is quoted, as S3 gives it."""

    source: Source
    etag: str
    size: int
    modified: datetime
