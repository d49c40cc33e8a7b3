"""The stack's default buckets, and the locations that jobs may read and write."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from zipjobs.errors import FieldProblem, InvalidRequest, NotAllowed
from zipjobs.requests.fields import MAX_KEY_BYTES, split_s3_url
from zipjobs.requests.schema import JobRequest
from zipjobs.zipformat.file_names import safe_file_name

ZIP = ".zip"
LONGEST_SUFFIX = "-001.receipt.json"
"""The longest suffix that replaces ``.zip`` in a key that is derived from an archive's key."""


@dataclass(frozen=True, slots=True)
class Location:
    """A bucket, or the keys in a bucket that start with a prefix."""

    bucket: str
    prefix: str = ""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the location that ``bucket`` or ``bucket/prefix`` names."""
        bucket, _, prefix = text.partition("/")
        return cls(bucket, prefix)

    def covers(self, bucket: str, key: str) -> bool:
        """Return whether ``key`` in ``bucket`` is in this location."""
        return bucket == self.bucket and key.startswith(self.prefix)

    def __str__(self) -> str:
        return f"{self.bucket}/{self.prefix}"


@dataclass(frozen=True, slots=True)
class Destination:
    """Where a job reads and writes, with the stack's defaults applied.

    ``metadata`` is the caller's. S3 deletes the archive ``archive_days`` after it is created, or
    never.
    """

    source_bucket: str
    target_bucket: str
    target_key: str
    metadata: Mapping[str, str] = field(default_factory=dict)
    archive_days: int | None = None


@dataclass(frozen=True, slots=True)
class AllowList:
    """The stack's default buckets, and the locations that requests may name.

    S3 deletes archives below the stack's target prefix after ``archive_retention_days``; 0 means
    never.
    """

    source_bucket: str
    target_bucket: str
    target_prefix: str
    allowed_sources: tuple[Location, ...]
    allowed_targets: tuple[Location, ...]
    archive_retention_days: int = 0

    def resolve(self, request: JobRequest, job_id: str) -> Destination:
        """Return the destination of a job, with the stack's defaults applied.

        An archive with a name is stored in a folder named after its job, so keys of different jobs
        never collide. Raises NotAllowed if a location is not allowed, and InvalidRequest if the
        archive's key would be too long.
        """
        source_bucket = request.source_bucket or self.source_bucket
        target_bucket = request.target_bucket or self.target_bucket
        prefix = self.target_prefix if request.target_prefix is None else request.target_prefix
        target_key = _target_key(prefix, job_id, request.archive_name)
        _require(self.allowed_targets, target_bucket, target_key, "targetBucket/targetPrefix")
        self._require_sources(request, source_bucket)
        days = self._archive_days(target_bucket, target_key, request.expires_in_days)
        return Destination(source_bucket, target_bucket, target_key, request.metadata, days)

    def _archive_days(self, bucket: str, key: str, requested: int | None) -> int | None:
        """Return the days until S3 deletes an archive: the shorter time applies."""
        retention = self.archive_retention_days
        is_covered = Location(self.target_bucket, self.target_prefix).covers(bucket, key)
        days = [
            *([retention] if retention and is_covered else []),
            *([requested] if requested else []),
        ]
        return min(days, default=None)

    def _require_sources(self, request: JobRequest, source_bucket: str) -> None:
        """Check all sources in the request. Sources in a list are checked when it is read."""
        for key in request.keys:
            self.require_source(source_bucket, key, "sourceBucket")
        for entry in request.entries:
            self.require_source(entry.bucket or source_bucket, entry.key, "entries")
        if request.prefix is not None:
            self.require_source(source_bucket, request.prefix, "prefix")
        if request.entries_from is not None:
            self.require_source(*split_s3_url(request.entries_from), "entriesFrom")

    def require_source(self, bucket: str, key: str, field: str) -> None:
        """Raise NotAllowed unless jobs may read ``key``. The message starts with ``field``.

        If ``key`` is a prefix, jobs must be allowed to read every key that starts with it.
        """
        _require(self.allowed_sources, bucket, key, field)


def _target_key(prefix: str, job_id: str, archive_name: str | None) -> str:
    name = job_id if archive_name is None else f"{job_id}/{_stem(archive_name)}"
    stem = f"{prefix.rstrip('/')}/{name}".lstrip("/")
    excess = len(f"{stem}{LONGEST_SUFFIX}".encode()) - MAX_KEY_BYTES
    if excess > 0:
        detail = (
            f"with targetPrefix and the job ID, the archive's key is {excess} bytes too long for "
            "S3. Shorten targetPrefix or archiveName"
        )
        problem = FieldProblem(detail=detail, pointer="#/archiveName")
        raise InvalidRequest(f"archiveName: {detail}", [problem])
    return stem + ZIP


def _stem(archive_name: str) -> str:
    """Return the safe file name of an archive, without ``.zip``."""
    has_suffix = archive_name.lower().endswith(ZIP)
    return safe_file_name(archive_name[: -len(ZIP)] if has_suffix else archive_name)


def _require(allowed: tuple[Location, ...], bucket: str, key: str, field: str) -> None:
    if not any(location.covers(bucket, key) for location in allowed):
        locations = ", ".join(str(location) for location in allowed)
        raise NotAllowed(
            f"{field}: {bucket}/{key} is not allowed. This stack allows {locations}. Use one of "
            "these locations, or add yours to the stack's configuration."
        )
