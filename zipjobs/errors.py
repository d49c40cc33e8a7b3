"""The errors of this package. Their types decide whether a job is retried.

::

    ZipJobsError
    ├── PermanentError       the job is FAILED with this code and message; no retry
    │   ├── SchemaError                lists the invalid fields
    │   │   ├── InvalidRequest           INVALID_REQUEST
    │   │   └── InvalidManifest          INVALID_MANIFEST
    │   ├── NotAllowed               NOT_ALLOWED
    │   ├── UnreadableObject         an object cannot be read; other objects can
    │   │   ├── SourceNotFound           SOURCE_NOT_FOUND
    │   │   ├── SourceForbidden          SOURCE_FORBIDDEN
    │   │   ├── SourceArchived           SOURCE_ARCHIVED
    │   │   └── SourceEncrypted          SOURCE_ENCRYPTED
    │   ├── UnreadableObjects        several of them, with the code of the most frequent one
    │   ├── SourceChanged            SOURCE_CHANGED
    │   ├── DuplicateName            DUPLICATE_NAME
    │   ├── TargetForbidden          TARGET_FORBIDDEN
    │   ├── TargetExists             TARGET_EXISTS
    │   ├── ArchiveTooLarge          ARCHIVE_TOO_LARGE
    │   ├── ListTooLarge             LIST_TOO_LARGE
    │   └── IdempotencyKeyReused     IDEMPOTENCY_KEY_REUSED
    └── TransientError       the message returns to the queue and is retried
        ├── JobBusy                  another worker has the job's lease
        ├── LeaseLost                this worker lost the job's lease: stop, change nothing
        ├── UploadGone               the multipart upload was aborted or completed
        ├── UploadConflict           the multipart upload cannot be completed any more
        └── ServiceUnavailable       an AWS service is temporarily unavailable

Any other exception is a defect. It is retried like a ``TransientError``. After the last attempt the
dead-letter function sets the job to FAILED.
"""

from bisect import insort
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Any

from zipjobs.model import Model


class ZipJobsError(Exception):
    """The base class of all errors that this package raises intentionally."""


class PermanentError(ZipJobsError):
    """An error that a retry cannot fix.

    ``code`` is stable, and the message says what to do. ``objects`` are the source objects that
    caused the error, if any.
    """

    code: str

    def __init__(self, message: str, objects: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.objects = tuple(objects)


class FieldProblem(Model):
    """A problem of one field in a request or manifest, with the field's JSON pointer (`#/keys/0`)
    and line, counted from 1. Either is null if it is not known.
    """

    detail: str
    pointer: str | None = None
    line: int | None = None


class SchemaError(PermanentError):
    """A request or manifest that does not match its schema. ``problems`` are its invalid fields."""

    def __init__(self, message: str, problems: Sequence[FieldProblem] = ()) -> None:
        super().__init__(message)
        self.problems = tuple(problems)


class InvalidRequest(SchemaError):
    """The request does not match the schema."""

    code = "INVALID_REQUEST"


class InvalidManifest(SchemaError):
    """The manifest or list was deleted, is not JSON, or does not match its schema."""

    code = "INVALID_MANIFEST"


class NotAllowed(PermanentError):
    """A bucket or prefix is not in the configured allow-list."""

    code = "NOT_ALLOWED"


class UnreadableObject(PermanentError):
    """A source object that cannot be read. ``objects`` is this one.

    ``kind`` describes such objects, and ``option`` is the field of a request that skips them.
    """

    kind: str
    option = "onUnreadable"


class SourceNotFound(UnreadableObject):
    """A source object does not exist."""

    code = "SOURCE_NOT_FOUND"
    kind = "missing"
    option = "onMissing"


class SourceForbidden(UnreadableObject):
    """The function's role is not allowed to read a source object."""

    code = "SOURCE_FORBIDDEN"
    kind = "forbidden"


class SourceArchived(UnreadableObject):
    """A source object is in an archive storage class and must be restored first."""

    code = "SOURCE_ARCHIVED"
    kind = "archived"


class SourceEncrypted(UnreadableObject):
    """A source object is encrypted with a key that the service cannot use."""

    code = "SOURCE_ENCRYPTED"
    kind = "encrypted"


_KINDS = {
    kind.code: kind for kind in (SourceNotFound, SourceForbidden, SourceArchived, SourceEncrypted)
}

EXAMPLES_CHARS = 1600
"""Characters of examples in a message, which a record limits to 2,000."""


MAX_NAMED_OBJECTS = 200
"""Objects that ``UnreadableObjects`` names. The record of a job names no more."""


class UnreadableObjects(PermanentError):
    """All source objects of a job that cannot be read.

    ``counts`` has their number by error code, the most frequent first, whose code is that of this
    error. ``by_code`` has the names of the first of each, at most ``MAX_NAMED_OBJECTS`` together,
    and ``objects`` are these.
    """

    def __init__(
        self,
        message: str,
        by_code: Mapping[str, Sequence[str]],
        counts: Mapping[str, int] | None = None,
    ) -> None:
        super().__init__(message, [name for names in by_code.values() for name in names])
        self.by_code = by_code
        self.counts = counts or {code: len(names) for code, names in by_code.items()}
        self.code = next(iter(by_code))

    @classmethod
    def of(cls, errors: Iterable[UnreadableObject]) -> PermanentError:
        """Return one error for all of ``errors``, of which there is at least one."""
        tally = UnreadableTally()
        for position, error in enumerate(errors):
            tally.add(position, error)
        return tally.error()

    @classmethod
    def none_left(cls, skipped: Iterable[tuple[str, str]]) -> "UnreadableObjects":
        """Return the error of a job whose objects are all skipped.

        ``skipped`` are their error codes and names.
        """
        counts: Counter[str] = Counter()
        first: dict[str, list[str]] = {}
        for code, name in skipped:
            counts[code] += 1
            if counts[code] <= MAX_NAMED_OBJECTS:
                first.setdefault(code, []).append(name)
        by_frequency = dict(counts.most_common())
        return cls(
            f"All objects were skipped, so there is nothing to zip: {_counted(by_frequency)}. "
            "Correct the request, or make the objects readable.",
            _shared({code: first[code] for code in by_frequency}),
            by_frequency,
        )


class UnreadableTally:
    """Counts the objects of a job that cannot be read, and keeps the first errors of each kind."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._first: dict[str, list[tuple[int, UnreadableObject]]] = {}

    def __bool__(self) -> bool:
        return bool(self._counts)

    def add(self, position: int, error: UnreadableObject) -> None:
        """Add the error of the entry at ``position``, in any order."""
        self._counts[error.code] += 1
        first = self._first.setdefault(error.code, [])
        insort(first, (position, error), key=itemgetter(0))
        del first[MAX_NAMED_OBJECTS:]

    def error(self, *, is_complete: bool = True) -> PermanentError:
        """Return the error for all objects. The only error is returned as it is.

        The message counts each kind, names the options that skip them, and contains the first error
        of each kind, which says what to do. ``is_complete``: all entries of the job were checked.
        """
        total, counts, by_code = self._counts.total(), self._sorted_counts(), self._by_code()
        examples = [str(self._first[code][0][1]) for code in counts]
        if total == 1 and is_complete:
            return next(iter(self._first.values()))[0][1]
        options = " and ".join(sorted({_KINDS[code].option for code in counts}))
        message = (
            f"{total:,} object{'s' if total > 1 else ''} cannot be read: {_counted(counts)}. "
            f"{'' if is_complete else 'Other objects were not checked. '}"
            f"Set {options} to skip to leave such objects out. For example:"
        )
        left = EXAMPLES_CHARS
        for example in examples:
            if len(example) <= left:
                left -= len(example)
                message += f" {example}"
        return UnreadableObjects(message, by_code, counts)

    def _sorted_counts(self) -> dict[str, int]:
        """Return the counts by code: the most frequent first, then the first in the job."""
        codes = sorted(
            self._counts, key=lambda code: (-self._counts[code], self._first[code][0][0])
        )
        return {code: self._counts[code] for code in codes}

    def _by_code(self) -> dict[str, Sequence[str]]:
        return _shared(
            {
                code: [name for _, error in self._first[code] for name in error.objects]
                for code in self._sorted_counts()
            }
        )


def _shared(names: Mapping[str, Sequence[str]]) -> dict[str, Sequence[str]]:
    """Return ``MAX_NAMED_OBJECTS`` of the names by code. A frequent code leaves room for others.

    ``names`` has the most frequent code first.
    """
    kept: dict[str, Sequence[str]] = dict.fromkeys(names, ())
    left = MAX_NAMED_OBJECTS
    for others, code in zip(range(len(names) - 1, -1, -1), reversed(kept), strict=True):
        kept[code] = names[code][: left // (others + 1)]
        left -= len(kept[code])
    return kept


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {_KINDS[code].kind}" for code, count in counts.items())


class SourceChanged(PermanentError):
    """A source object was replaced while the job was reading it."""

    code = "SOURCE_CHANGED"


class DuplicateName(PermanentError):
    """Two members would have the same name, and the request sets ``onDuplicate`` to ``fail``."""

    code = "DUPLICATE_NAME"


class TargetForbidden(PermanentError):
    """The function's role is not allowed to write the archive."""

    code = "TARGET_FORBIDDEN"


class TargetExists(PermanentError):
    """Another object exists at the key of the archive."""

    code = "TARGET_EXISTS"


class ArchiveTooLarge(PermanentError):
    """The archive would exceed the limits of an S3 multipart upload."""

    code = "ARCHIVE_TOO_LARGE"


class ListTooLarge(PermanentError):
    """The job has too many or too long entries, or reading them takes too long."""

    code = "LIST_TOO_LARGE"


class IdempotencyKeyReused(PermanentError):
    """The idempotency key was used with a different request."""

    code = "IDEMPOTENCY_KEY_REUSED"


class TransientError(ZipJobsError):
    """An error that a retry may fix. ``retry_after_seconds`` is a hint for the queue, or None."""

    def __init__(self, message: str, retry_after_seconds: int | None = None) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class JobBusy(TransientError):
    """Another worker has the job's lease."""


class LeaseLost(TransientError):
    """Another worker took over the job, or the job has reached a final status."""


class UploadGone(TransientError):
    """The multipart upload was aborted or completed by another process."""


class UploadConflict(TransientError):
    """S3 will never complete the multipart upload. The archive needs a new upload."""


class ServiceUnavailable(TransientError):
    """An AWS service is temporarily unavailable."""


def aws_error_code(error: Exception) -> str:
    """Return the error code of an AWS response, or an empty string if ``error`` has none."""
    response: Mapping[str, Any] = getattr(error, "response", None) or {}
    return str(response.get("Error", {}).get("Code", ""))
