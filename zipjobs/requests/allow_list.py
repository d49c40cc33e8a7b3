"""Where a job may read and write: configured defaults and allow-lists."""

from dataclasses import dataclass
from typing import Self

from zipjobs.errors import FieldProblem, InvalidRequest, NotAllowed
from zipjobs.requests.fields import MAX_KEY_BYTES, split_s3_url
from zipjobs.requests.schema import JobRequest
from zipjobs.zipformat.file_names import safe_file_name

ZIP = ".zip"
LONGEST_SUFFIX = "-001.receipt.json"
"""What takes the place of ``.zip`` in the longest key that is made of an archive's."""


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
class AllowList:
    """The stack's defaults and allow-lists for requests."""

    source_bucket: str
    target_bucket: str
    target_prefix: str
    allowed_sources: tuple[Location, ...]
    allowed_targets: tuple[Location, ...]

    def resolve(self, request: JobRequest, job_id: str) -> Destination:
        """Fill in the defaults.

        An archive with a name stands in a folder of its own, so that no two jobs want the same key.
        Raises NotAllowed if a bucket or prefix is not on its list, and InvalidRequest if the key
        would be too long.
        """
        source_bucket = request.source_bucket or self.source_bucket
        target_bucket = request.target_bucket or self.target_bucket
        prefix = self.target_prefix if request.target_prefix is None else request.target_prefix
        target_key = _target_key(prefix, job_id, request.archive_name)
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


def _target_key(prefix: str, job_id: str, archive_name: str | None) -> str:
    name = job_id if archive_name is None else f"{job_id}/{_stem(archive_name)}"
    stem = f"{prefix.rstrip('/')}/{name}".lstrip("/")
    excess = len(f"{stem}{LONGEST_SUFFIX}".encode()) - MAX_KEY_BYTES
    if excess > 0:
        detail = (
            f"behind targetPrefix and the job's id it makes a key {excess} bytes too long for "
            "S3: shorten one of them"
        )
        problem = FieldProblem(detail, "#/archiveName")
        raise InvalidRequest(f"archiveName: {detail}", [problem])
    return stem + ZIP


def _stem(archive_name: str) -> str:
    """The name of the archive's file, safe and without ``.zip``."""
    is_whole = archive_name.lower().endswith(ZIP)
    return safe_file_name(archive_name[: -len(ZIP)] if is_whole else archive_name)


def _require(allowed: tuple[Location, ...], bucket: str, key: str, where: str) -> None:
    if not any(location.covers(bucket, key) for location in allowed):
        places = ", ".join(str(location) for location in allowed)
        raise NotAllowed(
            f"{where}: {bucket}/{key} is outside the places that this stack allows: {places}. "
            "Use one of them, or add yours to the stack's configuration."
        )
