"""The scenarios of the crash matrix: each is one row.

Each scenario runs many times. The first run has no crash. In the second run a process is killed
after the first counted call, in the third after the second call, and so on.
"""

import os
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from local.faults.rules import FUNCTIONS
from tests.chaos.archives import body_filling_one_part
from tests.chaos.crashes.job_run import JobRun
from zipjobs.archive.parts.sizing import PartSizing
from zipjobs.jobs.job import Status
from zipjobs.s3.retry import MAX_CHECKS

Step = Callable[[JobRun], object]

READY, FAILED, CANCELLED = Status.READY, Status.FAILED, Status.CANCELLED
EXHAUSTED = "RETRIES_EXHAUSTED"

ONE, TWO, MISSING, COPIED = "a/one.pdf", "a/two.pdf", "a/missing.pdf", "large/copied.pdf"
SEGMENTS = ("docs/large.pdf", "docs/small.pdf")
BODIES: Mapping[str, bytes] = {
    ONE: b"one",
    TWO: b"two" * 1000,
    COPIED: random.Random(COPIED).randbytes(PartSizing().large_bytes),
    SEGMENTS[0]: body_filling_one_part(SEGMENTS[0]),
    SEGMENTS[1]: b"three",
}
"""``COPIED`` is the smallest body that S3 copies. ``SEGMENTS`` make two segments."""

SMALL = {"keys": [ONE, TWO]}


def _kill_worker(operation: str, when: str = "after") -> Step:
    return lambda job: job.kill_worker(operation, when)


def _retry_post_after_delivery(job: JobRun) -> None:
    """POST. Without a response, the client retries after the workers have run."""
    if not job.post_once():
        job.deliver_all()
        job.post()
    job.deliver_all()


def _deliver_and_reconcile(job: JobRun) -> None:
    """Deliver all messages. When a worker is killed, its message is lost."""
    while (is_done := job.deliver()) is not False:
        if is_done is None:
            job.lose_messages()
            job.reconcile()


def _finish_one_segment(job: JobRun) -> None:
    """Plan the job, finish one segment, and kill the worker of the other just before its end."""
    assert job.deliver()
    assert job.deliver()
    job.kill_worker("PutObject")


POST, DELIVER, DELIVER_ALL = JobRun.post, JobRun.deliver, JobRun.deliver_all
UPLOAD, LOSE, RECONCILE = JobRun.upload_manifest, JobRun.lose_messages, JobRun.reconcile
CANCEL = (JobRun.cancel, DELIVER_ALL)
MOVE_TO_DEAD_LETTERS, DELIVER_DEAD_LETTERS = (
    JobRun.move_to_dead_letters,
    JobRun.deliver_dead_letters,
)
IN_A_SEGMENT = (POST, _finish_one_segment)


@dataclass(frozen=True)
class Scenario:
    """Steps, of which the calls of ``counted`` are counted, and the expected outcome.

    Only calls of ``function`` count. Each of ``final_statuses`` must occur. ``error`` is the code
    of FAILED jobs. ``operation`` must be among the calls.
    """

    name: str
    before: tuple[Step, ...] = (POST,)
    counted: tuple[Step, ...] = (DELIVER_ALL,)
    after: tuple[Step, ...] = ()
    function: str = FUNCTIONS
    final_statuses: frozenset[Status] = frozenset({READY})
    request: Mapping[str, Any] = field(default_factory=lambda: SMALL)
    has_segments: bool = False
    error: str | None = None
    operation: str | None = None

    @property
    def bodies(self) -> dict[str, bytes]:
        """The source objects, by key."""
        return {key: BODIES[key] for key in self.request["keys"] if key != MISSING}


def _segmented(name: str, **fields: Any) -> Scenario:
    return Scenario(name, request={"keys": list(SEGMENTS)}, has_segments=True, **fields)


def _cancelled(name: str, *before: Step) -> Scenario:
    return Scenario(name, before, CANCEL, final_statuses=frozenset({CANCELLED}))


UNSPLIT = Scenario("submitted by API", before=(), counted=(POST, DELIVER_ALL))
SEGMENTED = _segmented("segmented", before=(UPLOAD,), operation="SendMessageBatch")

SCENARIOS: tuple[Scenario, ...] = (
    UNSPLIT,
    Scenario(
        "POST retried after the job was delivered",
        before=(),
        counted=(_retry_post_after_delivery,),
        function="enqueue",
    ),
    Scenario(
        "manifest, S3 copies an object",
        before=(UPLOAD,),
        request={"keys": [ONE, COPIED, TWO]},
        operation="UploadPartCopy",
    ),
    SEGMENTED,
    Scenario(
        "object missing",
        before=(UPLOAD,),
        final_statuses=frozenset({FAILED}),
        request={"keys": [ONE, MISSING, TWO]},
        error="SOURCE_NOT_FOUND",
    ),
    Scenario(
        "object skipped",
        before=(UPLOAD,),
        request={"keys": [ONE, MISSING, TWO], "onMissing": "skip"},
    ),
    Scenario(
        "deflated",
        before=(UPLOAD,),
        request={**SMALL, "compression": "deflate"},
    ),
    Scenario("redelivered after UploadPart", (POST, _kill_worker("UploadPart"))),
    Scenario("redelivered after Complete", (POST, _kill_worker("CompleteMultipartUpload"))),
    _cancelled("cancelled before it starts", POST),
    _cancelled("cancelled after UploadPart", POST, _kill_worker("UploadPart")),
    _cancelled("cancelled after Complete", POST, _kill_worker("CompleteMultipartUpload")),
    _segmented(
        "cancelled in a segment",
        before=IN_A_SEGMENT,
        counted=CANCEL,
        final_statuses=frozenset({CANCELLED}),
    ),
    Scenario(
        "cancelled after any crash",
        counted=(DELIVER,),
        after=CANCEL,
        function="zipper",
        final_statuses=frozenset({READY, CANCELLED}),
    ),
    Scenario(
        "retries exhausted after UploadPart",
        (POST, _kill_worker("UploadPart"), MOVE_TO_DEAD_LETTERS),
        (DELIVER_DEAD_LETTERS,),
        final_statuses=frozenset({FAILED}),
        error=EXHAUSTED,
    ),
    Scenario(
        "retries exhausted before the event",
        (POST, _kill_worker("PutEvents", "before"), MOVE_TO_DEAD_LETTERS),
        (DELIVER_DEAD_LETTERS,),
    ),
    _segmented(
        "retries exhausted in a segment",
        before=(*IN_A_SEGMENT, MOVE_TO_DEAD_LETTERS),
        counted=(DELIVER_DEAD_LETTERS,),
        final_statuses=frozenset({FAILED}),
        error=EXHAUSTED,
    ),
    Scenario(
        "retries exhausted after any crash",
        counted=(DELIVER,),
        after=(MOVE_TO_DEAD_LETTERS, DELIVER_DEAD_LETTERS),
        function="zipper",
        final_statuses=frozenset({READY, FAILED}),
        error=EXHAUSTED,
    ),
    Scenario("message lost, reconciled", (POST, LOSE), (RECONCILE, DELIVER_ALL)),
    Scenario(
        "event not sent, reconciled",
        (POST, _kill_worker("PutEvents", "before"), LOSE),
        (RECONCILE, DELIVER_ALL),
    ),
    _segmented(
        "segments lost, reconciled",
        before=(*IN_A_SEGMENT, LOSE),
        counted=(RECONCILE, DELIVER_ALL),
        function="reconciler",
    ),
    Scenario(
        "reconciler's retries exhausted",
        (POST, *(LOSE, RECONCILE) * MAX_CHECKS, LOSE),
        (RECONCILE,),
        final_statuses=frozenset({FAILED}),
        error=EXHAUSTED,
    ),
    Scenario("reconciled after any crash", counted=(_deliver_and_reconcile,), function="zipper"),
)
"""Each function is killed after each of its calls, and each final status has a scenario."""

if os.environ.get("CRASHES") == "all":
    # Other scenarios cover the same calls, and these runs take a minute.
    SCENARIOS += (
        _segmented(
            "segmented, reconciled after any crash",
            counted=(_deliver_and_reconcile,),
            function="zipper",
        ),
    )
