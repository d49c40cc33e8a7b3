"""Where a job may read and write: configured defaults and allow-lists."""

from dataclasses import dataclass
from typing import Self

from zipjobs.errors import NotAllowed
from zipjobs.jobs.fields import split_s3_url
from zipjobs.jobs.request import JobRequest


@dataclass(frozen=True, slots=True)
class Location:
    """A bucket, or the part of it below a prefix."""

    bucket: str
    prefix: str = ""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``bucket`` or ``bucket/prefix``."""
        bucket, _, prefix = text.partition("/")
        return cls(bucket, prefix)

    def covers(self, bucket: str, key: str) -> bool:
        """Whether ``key`` in ``bucket`` lies in this location."""
        return bucket == self.bucket and key.startswith(self.prefix)

    def __str__(self) -> str:
        return f"{self.bucket}/{self.prefix}"


@dataclass(frozen=True, slots=True)
class Destination:
    """A request with its defaults filled in: where it reads and where its archive goes."""

    source_bucket: str
    target_bucket: str
    target_key: str


@dataclass(frozen=True, slots=True)
class Policy:
    """The stack's defaults and allow-lists for requests."""

    source_bucket: str
    target_bucket: str
    target_prefix: str
    allowed_sources: tuple[Location, ...]
    allowed_targets: tuple[Location, ...]

    def resolve(self, request: JobRequest, job_id: str) -> Destination:
        """Fill in the defaults. Raises NotAllowed if a bucket or prefix is not on its list."""
        source_bucket = request.source_bucket or self.source_bucket
        target_bucket = request.target_bucket or self.target_bucket
        prefix = self.target_prefix if request.target_prefix is None else request.target_prefix
        target_key = f"{prefix.rstrip('/')}/{job_id}.zip".lstrip("/")
        _require(self.allowed_targets, target_bucket, target_key, "targetBucket/targetPrefix")
        self._require_sources(request, source_bucket)
        return Destination(source_bucket, target_bucket, target_key)

    def _require_sources(self, request: JobRequest, source_bucket: str) -> None:
        """Check all that the request itself names; what a list names is checked as it is read."""
        for key in request.keys:
            self.require_source(source_bucket, key, "sourceBucket")
        for entry in request.entries:
            self.require_source(entry.bucket or source_bucket, entry.key, "entries")
        if request.prefix is not None:
            self.require_source(source_bucket, request.prefix, "prefix")
        if request.entries_from is not None:
            self.require_source(*split_s3_url(request.entries_from), "entriesFrom")

    def require_source(self, bucket: str, key: str, where: str) -> None:
        """Raise NotAllowed, which names ``where``, unless jobs may read ``key``.

        Of a prefix: unless they may read every key that begins with it.
        """
        _require(self.allowed_sources, bucket, key, where)


def _require(allowed: tuple[Location, ...], bucket: str, key: str, where: str) -> None:
    if not any(location.covers(bucket, key) for location in allowed):
        places = ", ".join(str(location) for location in allowed)
        raise NotAllowed(
            f"{where}: {bucket}/{key} is outside the places that this stack allows: {places}. "
            "Use one of them, or add yours to the stack's configuration."
        )
