"""The kinds of jobs that are requested, and checks of their results."""

import json
import random
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from tests.chaos.archives import body_filling_one_part, check_archive
from zipjobs.archive.parts.sizing import MIN_PART_BYTES
from zipjobs.jobs.job import Job

ONE, TWO, MISSING, BIG, MORE = "a/one.pdf", "a/two.pdf", "a/missing.pdf", "big/1.pdf", "big/2.pdf"
BODIES = {
    ONE: b"one",
    TWO: b"two" * 1000,
    BIG: body_filling_one_part(BIG),
    MORE: random.Random(MORE).randbytes(300_000),
}
"""The initial source objects."""

MAX_ARCHIVE_BYTES = MIN_PART_BYTES + 200_000
"""An archive has room for ``BIG``, but not for ``BIG`` and ``MORE``."""


@dataclass(frozen=True)
class JobKind:
    """A kind of request. ``keys`` are the objects that it selects."""

    name: str
    request: dict[str, Any] | None
    keys: tuple[str, ...]

    @property
    def skips(self) -> bool:
        return self.request is not None and self.request.get("onMissing") == "skip"

    @property
    def lists(self) -> bool:
        return self.request is not None and "prefix" in self.request

    @property
    def body(self) -> str:
        return "not json" if self.request is None else json.dumps(self.request)


def _keys(name: str, *keys: str, **fields: Any) -> JobKind:
    return JobKind(name, {"keys": keys, **fields}, keys)


SMALL = (
    _keys("unsplit", ONE, TWO),
    _keys("deflated", ONE, TWO, compression="deflate"),
    _keys("missing", ONE, MISSING),
    _keys("skipping", ONE, MISSING, TWO, onMissing="skip"),
    _keys("all skipped", MISSING, onMissing="skip"),
)
PLANNED = (
    _keys("one segment", ONE, TWO, maxArchiveBytes=MIN_PART_BYTES * 20),
    _keys("skipping, planned", ONE, MISSING, TWO, onMissing="skip", maxArchiveBytes=10**9),
    _keys("missing, planned", ONE, MISSING, maxArchiveBytes=10**9),
    _keys("two segments", BIG, ONE, TWO),
    JobKind("two archives", {"prefix": "big/"}, (BIG, MORE)),
)
INVALID = JobKind("invalid", None, ())


def job_kind(name: str) -> JobKind:
    """Return the kind with that name."""
    return next(kind for kind in (*SMALL, *PLANNED, INVALID) if kind.name == name)


class Sources:
    """The source objects, and all their versions."""

    def __init__(self, s3: Any) -> None:
        self._s3 = s3
        self.versions: dict[str, list[bytes | None]] = {}

    def current(self, key: str) -> bytes | None:
        """Return the body of an object. The first call for a key uploads its initial body."""
        if key not in self.versions and key in BODIES:
            self.put(key, BODIES[key])
        return self.versions[key][-1] if key in self.versions else None

    def put(self, key: str, body: bytes | None) -> None:
        """Replace an object, or delete it if ``body`` is None."""
        if body is None:
            self._s3.delete_object(Bucket="src", Key=key)
        else:
            self._s3.put_object(Bucket="src", Key=key, Body=body)
        self.versions.setdefault(key, []).append(body)


@dataclass(eq=False)
class RequestedJob:
    """A job that a client requested.

    ``contents`` are the source objects at the time of the request. ``is_accepted`` says that the
    client received 202 or uploaded a manifest. ``target_exists`` says that the archive's key
    belongs to another object.
    """

    job_id: str
    kind: JobKind
    contents: dict[str, bytes | None]
    api_event: dict[str, Any] | None = None
    manifest_key: str | None = None
    is_accepted: bool = False
    sources_changed: bool = False
    target_exists: bool = False
    is_cancelled: bool = False
    may_exhaust_retries: bool = False
    is_verified: bool = False

    @property
    def expected_outcomes(self) -> set[str]:
        """Return the allowed outcomes: a status, or the error code of a FAILED job."""
        outcomes = {self._outcome_of_request()}
        if self.sources_changed:
            outcomes = {"READY", "SOURCE_CHANGED", "SOURCE_NOT_FOUND"}
        if self.target_exists:
            outcomes = (outcomes | {"TARGET_EXISTS"}) - {"READY"}
        if self.is_cancelled:
            outcomes.add("CANCELLED")
        if self.may_exhaust_retries:
            outcomes.add("RETRIES_EXHAUSTED")
        return outcomes

    def _outcome_of_request(self) -> str:
        if self.kind.request is None:
            return "INVALID_MANIFEST"
        exists = [body is not None for body in self.contents.values()]
        is_ready = any(exists) if self.kind.skips or self.kind.lists else all(exists)
        return "READY" if is_ready else "SOURCE_NOT_FOUND"


def check_archives(requested: RequestedJob, job: Job, s3: Any, sources: Sources) -> None:
    """Raise AssertionError if the archives and receipts of a READY job are wrong."""
    kind = requested.kind
    keys: list[str] = []
    skipped: list[str] = []
    for archive in job.archives:
        response = s3.get_object(Bucket="dst", Key=archive.key)
        assert response["ETag"] == archive.etag, f"{archive.key} was replaced"
        receipt = json.load(s3.get_object(Bucket="dst", Key=archive.receipt_key)["Body"])
        contents = check_archive(job.job_id, "dst", archive, response["Body"].read(), receipt)
        for entry, content in zip(receipt["entries"], contents, strict=True):
            key = entry["key"]
            versions = [requested.contents[key]]
            if requested.sources_changed:
                versions = sources.versions[key]
            assert content in versions, f"a member is not the content of {key}"
            assert entry["name"] == PurePosixPath(key).name
            keys.append(key)
        skipped += [entry["key"] for entry in receipt["skipped"]]
    expected = [key for key in kind.keys if key in keys or not kind.lists]
    assert sorted(keys + skipped, key=kind.keys.index) == expected, (keys, skipped)
    if not requested.sources_changed:
        assert keys == [key for key, body in requested.contents.items() if body], keys
    assert job.skipped == len(skipped), (job.skipped, skipped)
    assert list(job.skipped_objects) == [f"s3://src/{key}" for key in skipped], skipped
