"""Records what the table said of each job, write by write, and checks each change."""

import json
from collections.abc import Callable
from typing import Any

from tests.chaos.model.invocations import Clock, Process
from zipjobs.jobs.job import FINAL_STATUSES, Job, Status
from zipjobs.jobs.table import _job

MOVES = {
    (None, Status.PENDING),
    (None, Status.RUNNING),  # a worker was faster than who accepted the job
    (None, Status.FAILED),  # the queue gave up on what nobody recorded
    (Status.PENDING, Status.RUNNING),
    (Status.PENDING, Status.FAILED),
    (Status.PENDING, Status.CANCELLED),
    (Status.RUNNING, Status.READY),
    (Status.RUNNING, Status.FAILED),
    (Status.RUNNING, Status.CANCELLED),
}

AFTERWARDS = ("event_sent", "updated_at", "sweep", "sweep_at")
"""What may still change of a job that has its end."""


class History:
    """Watches writes as they take effect. ``problem`` is told of every one that is not allowed."""

    def __init__(self, clock: Clock, problem: Callable[[str], None]) -> None:
        self.jobs: dict[str, Job] = {}
        self.events: dict[str, list[Status]] = {}
        self._owners: dict[str, Process] = {}
        self._clock = clock
        self._problem = problem

    def on_answer(self, process: Process, request: Any, answer: Any) -> None:
        """See what AWS has answered a process, whether that gets to know it or not."""
        target = request.headers.get("X-Amz-Target", b"")
        if not target.endswith(b"UpdateItem") or answer.status_code != 200:
            return
        item = json.loads(answer.content).get("Attributes", {})
        if "status" in item:
            job = _job(item)
            assert job is not None
            self._note(process, job)

    def on_event(self, detail: str) -> None:
        """See an event that the bus took."""
        event = json.loads(detail)
        job_id, status = event["jobId"], Status(event["status"])
        job = self.jobs[job_id]
        if job.status is not status or status not in FINAL_STATUSES:
            self._problem(f"{job_id} is {job.status}, and its event says {status}")
        if event["eventId"] != f"{job_id}/{status}":
            self._problem(f"{job_id}: the event's id is {event['eventId']}")
        self.events.setdefault(job_id, []).append(status)
        if len(set(self.events[job_id])) > 1:
            self._problem(f"{job_id}: its events contradict each other: {self.events[job_id]}")

    def holder(self, job_id: str) -> Process | None:
        """Whose lease of the job runs."""
        job = self.jobs.get(job_id)
        if job is None or job.lease_owner is None or job.is_final:
            return None
        now = int(self._clock.now.timestamp())
        return self._owners[job.lease_owner] if (job.lease_until or 0) > now else None

    def _note(self, process: Process, job: Job) -> None:
        before = self.jobs.get(job.job_id)
        status = before.status if before else None
        if status is not job.status and (status, job.status) not in MOVES:
            self._problem(f"{job.job_id}: {status} became {job.status}, by {process.name}")
        if before is not None and before.is_final:
            same = {name: getattr(before, name) for name in AFTERWARDS}
            if job.model_copy(update=same) != before:
                self._problem(f"{job.job_id} changed after its end, by {process.name}: {job}")
        self._check_lease(process, job, before)
        self.jobs[job.job_id] = job

    def _check_lease(self, process: Process, job: Job, before: Job | None) -> None:
        holder = self.holder(job.job_id)
        if job.lease_owner is not None and job.lease_owner not in self._owners:
            self._owners[job.lease_owner] = process
            if holder is not None:
                self._problem(f"{process.name} took {job.job_id} from {holder.name} in its lease")
            return
        is_workers = process.is_worker and job.segments is None
        if before is None or before.is_final or not is_workers:
            return
        owner = self._owners.get(before.lease_owner or "")
        if owner is not process:
            self._problem(f"{process.name} wrote to {job.job_id} without its lease")
