"""The list of jobs, newest first, in pages that are read from an index."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from zipjobs.jobs.job import EVERYONE, Job, Status
from zipjobs.model import utc_now

if TYPE_CHECKING:
    from zipjobs.jobs.table import JobTable

MAX_LIMIT = 100
"""Jobs in a page, as many as one BatchGetItem reads (Amazon DynamoDB API Reference)."""

DEFAULT_LIMIT = 20

CURSOR = r"^[0-9]{8}T[0-9]{6}\.[0-9]{3}Z_[0-9a-f-]{1,64}$"
"""The pattern of a ``list_key``: when a job was submitted, and its ID."""


class JobPage(NamedTuple):
    """A page of jobs, newest first, and the cursor of the next page, or None at the end."""

    jobs: tuple[Job, ...]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class JobList:
    """Lists the jobs that a caller can see: their own, and those without an owner.

    A cursor is the ``list_key`` of a job, so new and expired jobs do not shift the next page.
    """

    table: "JobTable"
    clock: Callable[[], datetime] = utc_now

    def page(
        self,
        caller: str,
        status: Status | None = None,
        limit: int = DEFAULT_LIMIT,
        cursor: str | None = None,
    ) -> JobPage:
        """Return up to ``limit`` jobs after ``cursor``.

        A page before the end can be short or empty. Raises ServiceUnavailable.
        """
        queries = [
            self.table.list_keys(owner, status, cursor, limit)
            for owner in dict.fromkeys((caller, EVERYONE))
        ]
        # If a query stopped early, its owner may have more jobs below the last key that it read.
        floor = max((query.read_to for query in queries if query.read_to), default="")
        keys = [key for query in queries for key in query.keys if key >= floor]
        keys.sort(reverse=True)
        shown = keys[:limit]
        last = shown[-1] if len(keys) > limit else floor
        jobs = self.table.get_many([key.rpartition("_")[2] for key in shown])
        now = int(self.clock().timestamp())
        visible = (job for job in jobs if job.expires_at > now and job.is_visible_to(caller))
        # The index is eventually consistent: check the status in the record.
        matching = (job for job in visible if status in (None, job.status))
        return JobPage(tuple(matching), last or None)
