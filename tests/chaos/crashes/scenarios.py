"""The lives that jobs lead, each with somebody who dies in it: the rows of the matrix.

A life is a story that is told again and again: first nobody dies, then one process is killed after
the first call that is counted, then after the second, and so on until all have had their turn.
"""

import os
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from tests.chaos.crashes.job_run import Trial
from zipjobs.archive.part_sizing import MIN_PART_BYTES, PartSizing
from zipjobs.archive.segment import sized
from zipjobs.jobs.job import Status
from zipjobs.s3.retry import MAX_CHECKS
from zipjobs.s3.source import Entry, Source

READY, FAILED, CANCELLED = Status.READY, Status.FAILED, Status.CANCELLED


def _filling_a_part(key: str) -> bytes:
    """A body that fills the smallest part that S3 takes, together with its header."""
    entry = Entry(PurePosixPath(key).name, Source("", key), MIN_PART_BYTES)
    return random.Random(key).randbytes(MIN_PART_BYTES - sized(entry).header_bytes)


ONE, TWO, GONE, COPIED = "a/one.pdf", "a/two.pdf", "a/gone.pdf", "large/copied.pdf"
SEGMENTS = ("docs/large.pdf", "docs/small.pdf")
BODIES: Mapping[str, bytes] = {
    ONE: b"one",
    TWO: b"two" * 1000,
    COPIED: random.Random(COPIED).randbytes(PartSizing().large_bytes),
    SEGMENTS[0]: _filling_a_part(SEGMENTS[0]),
    SEGMENTS[1]: b"three",
}
"""Among them the smallest that S3 copies a part of, and what makes two segments."""

SMALL = {"keys": [ONE, TWO]}
LARGE = {"keys": list(SEGMENTS)}
ENOUGH_MIB, LITTLE_MIB = 1024, 1
"""A worker's share: all of a job, or what makes a segment of each of ``SEGMENTS``."""


@dataclass(frozen=True)
class Life:
    """``story`` tells it. ``ends`` are how it may end, all of which have to occur.

    ``error`` is the code of those that end FAILED, ``operation`` one that the life is there for.
    """

    name: str
    story: Callable[[Trial], None]
    ends: frozenset[Status] = frozenset({READY})
    request: Mapping[str, Any] = field(default_factory=lambda: SMALL)
    segment_mib: int = ENOUGH_MIB
    error: str | None = None
    operation: str | None = None

    @property
    def bodies(self) -> dict[str, bytes]:
        """The source objects, by key."""
        return {key: BODIES[key] for key in self.request["keys"] if key != GONE}


def _by_api(job: Trial) -> None:
    job.count()
    job.post()
    job.work()


def _by_a_client_who_comes_back_late(job: Trial) -> None:
    job.count("enqueue")
    if not job.post_once():
        job.work()
        job.post()
    job.work()


def _by_manifest(job: Trial) -> None:
    job.drop()
    job.count()
    job.work()


def _followed_after(operation: str) -> Callable[[Trial], None]:
    """A worker has died already; those that are killed are its followers."""

    def story(job: Trial) -> None:
        job.post()
        job.crash(operation)
        job.count()
        job.work()

    return story


# Cancelled


def _cancelled_before_it_starts(job: Trial) -> None:
    job.post()
    job.count()
    job.cancel()
    job.work()


def _cancelled_after(operation: str) -> Callable[[Trial], None]:
    def story(job: Trial) -> None:
        job.post()
        job.crash(operation)
        job.count()
        job.cancel()
        job.work()

    return story


def _cancelled_in_a_segment(job: Trial) -> None:
    _come_to_a_segment(job)
    job.count()
    job.cancel()
    job.work()


def _cancelled_after_any_crash(job: Trial) -> None:
    job.post()
    job.count("zipper")
    job.deliver()
    job.end_count()
    job.cancel()
    job.work()


# Given up


def _given_up_after_a_part(job: Trial) -> None:
    job.post()
    job.crash("UploadPart")
    job.bury()
    job.count()
    job.give_up()


def _given_up_before_the_event(job: Trial) -> None:
    job.post()
    job.crash("PutEvents", "before")
    job.bury()
    job.count()
    job.give_up()


def _given_up_in_a_segment(job: Trial) -> None:
    _come_to_a_segment(job)
    job.bury()
    job.count()
    job.give_up()


def _given_up_after_any_crash(job: Trial) -> None:
    job.post()
    job.count("zipper")
    job.deliver()
    job.end_count()
    job.bury()
    job.give_up()


# Reconciliation


def _swept_before_it_starts(job: Trial) -> None:
    job.post()
    job.lose()
    job.count()
    job.reconcile()
    job.work()


def _swept_without_event(job: Trial) -> None:
    job.post()
    job.crash("PutEvents", "before")
    job.lose()
    job.count()
    job.reconcile()
    job.work()


def _swept_in_a_segment(job: Trial) -> None:
    _come_to_a_segment(job)
    job.lose()
    job.count("reconciler")
    job.reconcile()
    job.work()


def _swept_in_vain(job: Trial) -> None:
    job.post()
    for _ in range(MAX_CHECKS):
        job.lose()
        job.reconcile()
    job.lose()
    job.count()
    job.reconcile()


def _swept_after_any_crash(job: Trial) -> None:
    job.post()
    job.count("zipper")
    while (end := job.deliver()) is not False:
        if end is None:
            job.lose()
            job.reconcile()


def _come_to_a_segment(job: Trial) -> None:
    """A planned job, of which one segment is made, and the other one nearly."""
    job.post()
    assert job.deliver()
    assert job.deliver()
    job.crash("PutObject")


ALONE = Life("by API", _by_api)
PLANNED = Life(
    "planned",
    _by_manifest,
    request=LARGE,
    segment_mib=LITTLE_MIB,
    operation="SendMessageBatch",
)

LIVES: tuple[Life, ...] = (
    ALONE,
    Life("by API, the client comes back late", _by_a_client_who_comes_back_late),
    Life(
        "by manifest, copied",
        _by_manifest,
        request={"keys": [ONE, COPIED, TWO]},
        operation="UploadPartCopy",
    ),
    PLANNED,
    Life(
        "object missing",
        _by_manifest,
        frozenset({FAILED}),
        request={"keys": [ONE, GONE, TWO]},
        error="SOURCE_NOT_FOUND",
    ),
    Life("object skipped", _by_manifest, request={"keys": [ONE, GONE, TWO], "onMissing": "skip"}),
    Life("deflated", _by_manifest, request={**SMALL, "compression": "deflate"}),
    Life("follows a crash after UploadPart", _followed_after("UploadPart")),
    Life("follows a crash after Complete", _followed_after("CompleteMultipartUpload")),
    Life("cancelled, not started", _cancelled_before_it_starts, frozenset({CANCELLED})),
    Life("cancelled after UploadPart", _cancelled_after("UploadPart"), frozenset({CANCELLED})),
    Life(
        "cancelled after Complete",
        _cancelled_after("CompleteMultipartUpload"),
        frozenset({CANCELLED}),
    ),
    Life(
        "cancelled in a segment",
        _cancelled_in_a_segment,
        frozenset({CANCELLED}),
        request=LARGE,
        segment_mib=LITTLE_MIB,
    ),
    Life("cancelled after any crash", _cancelled_after_any_crash, frozenset({READY, CANCELLED})),
    Life(
        "given up after UploadPart",
        _given_up_after_a_part,
        frozenset({FAILED}),
        error="RETRIES_EXHAUSTED",
    ),
    Life("given up before the event", _given_up_before_the_event),
    Life(
        "given up in a segment",
        _given_up_in_a_segment,
        frozenset({FAILED}),
        request=LARGE,
        segment_mib=LITTLE_MIB,
        error="RETRIES_EXHAUSTED",
    ),
    Life(
        "given up after any crash",
        _given_up_after_any_crash,
        frozenset({READY, FAILED}),
        error="RETRIES_EXHAUSTED",
    ),
    Life("message lost, swept", _swept_before_it_starts),
    Life("event not sent, swept", _swept_without_event),
    Life("segments lost, swept", _swept_in_a_segment, request=LARGE, segment_mib=LITTLE_MIB),
    Life("swept in vain", _swept_in_vain, frozenset({FAILED}), error="RETRIES_EXHAUSTED"),
    Life("message lost after any crash", _swept_after_any_crash),
)
"""Every function dies after every call that it has to make, and every end has a life."""

LONG_LIVES = (
    Life(
        "planned, lost after any crash",
        _swept_after_any_crash,
        request=LARGE,
        segment_mib=LITTLE_MIB,
    ),
)
"""What only ``CRASHES=all`` is for: the calls are those of others, but take another minute."""

if os.environ.get("CRASHES") == "all":
    LIVES += LONG_LIVES
