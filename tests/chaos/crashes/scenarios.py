"""The scenarios of the crash matrix: each is one row.

A scenario runs again and again. First no process dies, then one process is killed after the first
counted call, then after the second, and so on.
"""

import os
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from tests.chaos.crashes.job_run import JobRun
from zipjobs.archive.part_sizing import MIN_PART_BYTES, PartSizing
from zipjobs.archive.segment import sized
from zipjobs.jobs.job import Status
from zipjobs.s3.retry import MAX_CHECKS
from zipjobs.s3.source import Entry, Source

READY, FAILED, CANCELLED = Status.READY, Status.FAILED, Status.CANCELLED


def _filling_a_part(key: str) -> bytes:
    """Return a body that, with its header, fills the smallest part that S3 accepts."""
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
"""They include the smallest body that S3 copies, and two bodies that make two segments."""

SMALL = {"keys": [ONE, TWO]}
LARGE = {"keys": list(SEGMENTS)}
UNSPLIT_MIB, TWO_SEGMENTS_MIB = 1024, 1
"""A worker's quota: a whole job, or one segment for each of ``SEGMENTS``."""


@dataclass(frozen=True)
class Scenario:
    """A sequence of steps, ``story``, and the final statuses that it must produce, ``ends``.

    Each status in ``ends`` must occur. ``error`` is the code of FAILED jobs. ``operation`` must be
    among the calls.
    """

    name: str
    story: Callable[[JobRun], None]
    ends: frozenset[Status] = frozenset({READY})
    request: Mapping[str, Any] = field(default_factory=lambda: SMALL)
    segment_mib: int = UNSPLIT_MIB
    error: str | None = None
    operation: str | None = None

    @property
    def bodies(self) -> dict[str, bytes]:
        """The source objects, by key."""
        return {key: BODIES[key] for key in self.request["keys"] if key != GONE}


def _by_api(job: JobRun) -> None:
    job.count()
    job.post()
    job.work()


def _by_a_client_who_comes_back_late(job: JobRun) -> None:
    job.count("enqueue")
    if not job.post_once():
        job.work()
        job.post()
    job.work()


def _by_manifest(job: JobRun) -> None:
    job.drop()
    job.count()
    job.work()


def _followed_after(operation: str) -> Callable[[JobRun], None]:
    """Kill a worker first. The counted calls are those of the workers that follow it."""

    def story(job: JobRun) -> None:
        job.post()
        job.crash(operation)
        job.count()
        job.work()

    return story


# Cancelled


def _cancelled_before_it_starts(job: JobRun) -> None:
    job.post()
    job.count()
    job.cancel()
    job.work()


def _cancelled_after(operation: str) -> Callable[[JobRun], None]:
    def story(job: JobRun) -> None:
        job.post()
        job.crash(operation)
        job.count()
        job.cancel()
        job.work()

    return story


def _cancelled_in_a_segment(job: JobRun) -> None:
    _come_to_a_segment(job)
    job.count()
    job.cancel()
    job.work()


def _cancelled_after_any_crash(job: JobRun) -> None:
    job.post()
    job.count("zipper")
    job.deliver()
    job.end_count()
    job.cancel()
    job.work()


# Given up


def _given_up_after_a_part(job: JobRun) -> None:
    job.post()
    job.crash("UploadPart")
    job.move_to_dead_letters()
    job.count()
    job.give_up()


def _given_up_before_the_event(job: JobRun) -> None:
    job.post()
    job.crash("PutEvents", "before")
    job.move_to_dead_letters()
    job.count()
    job.give_up()


def _given_up_in_a_segment(job: JobRun) -> None:
    _come_to_a_segment(job)
    job.move_to_dead_letters()
    job.count()
    job.give_up()


def _given_up_after_any_crash(job: JobRun) -> None:
    job.post()
    job.count("zipper")
    job.deliver()
    job.end_count()
    job.move_to_dead_letters()
    job.give_up()


# Reconciliation


def _swept_before_it_starts(job: JobRun) -> None:
    job.post()
    job.lose()
    job.count()
    job.reconcile()
    job.work()


def _swept_without_event(job: JobRun) -> None:
    job.post()
    job.crash("PutEvents", "before")
    job.lose()
    job.count()
    job.reconcile()
    job.work()


def _swept_in_a_segment(job: JobRun) -> None:
    _come_to_a_segment(job)
    job.lose()
    job.count("reconciler")
    job.reconcile()
    job.work()


def _swept_in_vain(job: JobRun) -> None:
    job.post()
    for _ in range(MAX_CHECKS):
        job.lose()
        job.reconcile()
    job.lose()
    job.count()
    job.reconcile()


def _swept_after_any_crash(job: JobRun) -> None:
    job.post()
    job.count("zipper")
    while (end := job.deliver()) is not False:
        if end is None:
            job.lose()
            job.reconcile()


def _come_to_a_segment(job: JobRun) -> None:
    """Plan a job, finish one segment, and kill the worker of the other just before its end."""
    job.post()
    assert job.deliver()
    assert job.deliver()
    job.crash("PutObject")


UNSPLIT = Scenario("by API", _by_api)
PLANNED = Scenario(
    "planned",
    _by_manifest,
    request=LARGE,
    segment_mib=TWO_SEGMENTS_MIB,
    operation="SendMessageBatch",
)

SCENARIOS: tuple[Scenario, ...] = (
    UNSPLIT,
    Scenario("by API, the client comes back late", _by_a_client_who_comes_back_late),
    Scenario(
        "by manifest, copied",
        _by_manifest,
        request={"keys": [ONE, COPIED, TWO]},
        operation="UploadPartCopy",
    ),
    PLANNED,
    Scenario(
        "object missing",
        _by_manifest,
        frozenset({FAILED}),
        request={"keys": [ONE, GONE, TWO]},
        error="SOURCE_NOT_FOUND",
    ),
    Scenario(
        "object skipped", _by_manifest, request={"keys": [ONE, GONE, TWO], "onMissing": "skip"}
    ),
    Scenario("deflated", _by_manifest, request={**SMALL, "compression": "deflate"}),
    Scenario("follows a crash after UploadPart", _followed_after("UploadPart")),
    Scenario("follows a crash after Complete", _followed_after("CompleteMultipartUpload")),
    Scenario("cancelled, not started", _cancelled_before_it_starts, frozenset({CANCELLED})),
    Scenario("cancelled after UploadPart", _cancelled_after("UploadPart"), frozenset({CANCELLED})),
    Scenario(
        "cancelled after Complete",
        _cancelled_after("CompleteMultipartUpload"),
        frozenset({CANCELLED}),
    ),
    Scenario(
        "cancelled in a segment",
        _cancelled_in_a_segment,
        frozenset({CANCELLED}),
        request=LARGE,
        segment_mib=TWO_SEGMENTS_MIB,
    ),
    Scenario(
        "cancelled after any crash", _cancelled_after_any_crash, frozenset({READY, CANCELLED})
    ),
    Scenario(
        "given up after UploadPart",
        _given_up_after_a_part,
        frozenset({FAILED}),
        error="RETRIES_EXHAUSTED",
    ),
    Scenario("given up before the event", _given_up_before_the_event),
    Scenario(
        "given up in a segment",
        _given_up_in_a_segment,
        frozenset({FAILED}),
        request=LARGE,
        segment_mib=TWO_SEGMENTS_MIB,
        error="RETRIES_EXHAUSTED",
    ),
    Scenario(
        "given up after any crash",
        _given_up_after_any_crash,
        frozenset({READY, FAILED}),
        error="RETRIES_EXHAUSTED",
    ),
    Scenario("message lost, swept", _swept_before_it_starts),
    Scenario("event not sent, swept", _swept_without_event),
    Scenario(
        "segments lost, swept", _swept_in_a_segment, request=LARGE, segment_mib=TWO_SEGMENTS_MIB
    ),
    Scenario("swept in vain", _swept_in_vain, frozenset({FAILED}), error="RETRIES_EXHAUSTED"),
    Scenario("message lost after any crash", _swept_after_any_crash),
)
"""Each function dies after each of its calls, and each final status has a scenario."""

LONG_SCENARIOS = (
    Scenario(
        "planned, lost after any crash",
        _swept_after_any_crash,
        request=LARGE,
        segment_mib=TWO_SEGMENTS_MIB,
    ),
)
"""Only with ``CRASHES=all``: other scenarios cover the same calls, and these take a minute."""

if os.environ.get("CRASHES") == "all":
    SCENARIOS += LONG_SCENARIOS
