"""Records each write to a job's record, and checks each change of its status and lease."""

import json
from collections.abc import Callable
from typing import Any

from tests.chaos.model.invocations import Clock, Process
from zipjobs.jobs.job import FINAL_STATUSES, Job, Status
from zipjobs.jobs.table import _job

ALLOWED_CHANGES = {
    (None, Status.PENDING),
    (None, Status.RUNNING),  # A worker received the message before the job was recorded.
    (None, Status.FAILED),  # The dead-letter function received a message without a record.
    (Status.PENDING, Status.RUNNING),
    (Status.PENDING, Status.FAILED),
    (Status.PENDING, Status.CANCELLED),
    (Status.RUNNING, Status.READY),
    (Status.RUNNING, Status.FAILED),
    (Status.RUNNING, Status.CANCELLED),
}

MUTABLE_WHEN_FINAL = ("event_sent", "updated_at", "sweep", "sweep_at")
"""Attributes of a job with a final status that may still change."""


class History:
    """Observes writes as they take effect, and calls ``add_problem`` for each forbidden write."""

    def __init__(self, clock: Clock, add_problem: Callable[[str], None]) -> None:
        self.jobs: dict[str, Job] = {}
        self.events: dict[str, list[Status]] = {}
        self._owners: dict[str, Process] = {}
        self._clock = clock
        self._add_problem = add_problem

    def on_response(self, process: Process, request: Any, response: Any) -> None:
        """Record a response of AWS, whether the process receives it or not."""
        target = request.headers.get("X-Amz-Target", b"")
        if not target.endswith(b"UpdateItem") or response.status_code != 200:
            return
        item = json.loads(response.content).get("Attributes", {})
        if "status" in item:
            job = _job(item)
            assert job is not None
            self._record(process, job)

    def on_event(self, event: dict[str, Any]) -> None:
        """Record the detail of an event that the bus accepted."""
        job_id, status = event["jobId"], Status(event["status"])
        job = self.jobs[job_id]
        if job.status is not status or status not in FINAL_STATUSES:
            self._add_problem(f"{job_id} is {job.status}, but its event says {status}")
        if event["eventId"] != f"{job_id}/{status}":
            self._add_problem(f"{job_id}: the event's ID is {event['eventId']}")
        self.events.setdefault(job_id, []).append(status)
        if len(set(self.events[job_id])) > 1:
            self._add_problem(f"{job_id}: events contradict each other: {self.events[job_id]}")

    def lease_holder(self, job_id: str) -> Process | None:
        """Return the process that holds the job's active lease."""
        job = self.jobs.get(job_id)
        if job is None or job.lease_owner is None or job.is_final:
            return None
        now = int(self._clock.now.timestamp())
        return self._owners[job.lease_owner] if (job.lease_until or 0) > now else None

    def _record(self, process: Process, job: Job) -> None:
        before = self.jobs.get(job.job_id)
        status = before.status if before else None
        if status is not job.status and (status, job.status) not in ALLOWED_CHANGES:
            self._add_problem(f"{job.job_id}: {process.name} changed {status} to {job.status}")
        if before is not None and before.is_final:
            ignored = {name: getattr(before, name) for name in MUTABLE_WHEN_FINAL}
            if job.model_copy(update=ignored) != before:
                self._add_problem(f"{process.name} changed {job.job_id} after it was final: {job}")
        self._check_lease(process, job, before)
        self.jobs[job.job_id] = job

    def _check_lease(self, process: Process, job: Job, before: Job | None) -> None:
        holder = self.lease_holder(job.job_id)
        if job.lease_owner is not None and job.lease_owner not in self._owners:
            self._owners[job.lease_owner] = process
            if holder is not None:
                self._add_problem(f"{process.name} took {job.job_id} from {holder.name}'s lease")
            return
        needs_lease = process.is_worker and job.segments is None
        if before is None or before.is_final or not needs_lease:
            return
        if self._owners.get(before.lease_owner or "") is not process:
            self._add_problem(f"{process.name} wrote to {job.job_id} without its lease")
