"""The list of jobs, newest first, a page at a time: from an index, never by a scan."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from zipjobs.jobs.job import EVERYONE, Job, Status
from zipjobs.model import utc_now

if TYPE_CHECKING:
    from zipjobs.jobs.table import JobTable

MAX_LIMIT = 100
"""Jobs in a page: as many as one BatchGetItem reads (Amazon DynamoDB API Reference)."""

DEFAULT_LIMIT = 20

CURSOR = r"^[0-9]{8}T[0-9]{6}\.[0-9]{3}Z_[0-9a-f-]{1,64}$"
"""A ``list_key``: when a job came in, and its id."""


class JobPage(NamedTuple):
    """Some jobs, newest first, and the cursor of the page behind them, or None at the end."""

    jobs: tuple[Job, ...]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class JobList:
    """Reads the jobs that somebody may see: their own, and those that are nobody's own.

    A cursor is the place of a job in the list: the page behind it is the same, whatever jobs come
    or go meanwhile.
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
        """Up to ``limit`` jobs behind ``cursor``. It may be fewer, or none, before the end.

        Raises ServiceUnavailable.
        """
        found = [
            self.table.listed(owner, status, cursor, limit)
            for owner in dict.fromkeys((caller, EVERYONE))
        ]
        # Of an owner whose jobs were not read to the end, there may be more below the last one.
        floor = max((part.read_to for part in found if part.read_to), default="")
        keys = sorted((key for part in found for key in part.keys if key >= floor), reverse=True)
        shown = keys[:limit]
        last = shown[-1] if len(keys) > limit else floor
        jobs = self.table.get_many([key.rpartition("_")[2] for key in shown])
        now = int(self.clock().timestamp())
        kept = (job for job in jobs if job.expires_at > now and job.is_visible_to(caller))
        # The index follows the table, a little later.
        kept = (job for job in kept if status in (None, job.status))
        return JobPage(tuple(kept), last or None)
