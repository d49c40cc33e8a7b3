"""The list of jobs, newest first, a page at a time: from an index, never by a scan."""

import base64
import binascii
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from zipjobs.errors import InvalidRequest
from zipjobs.jobs.job import EVERYONE, Job, Status
from zipjobs.jobs.model import utc_now
from zipjobs.jobs.table import JobTable

MAX_LIMIT = 100
"""Jobs in a page: as many as one BatchGetItem reads (Amazon DynamoDB API Reference)."""

DEFAULT_LIMIT = 20

_PLACE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/[!-~]{1,100}")
"""A ``list_key``: when the job came in, and its id."""


class JobPage(NamedTuple):
    """Some jobs, newest first, and the cursor of the page behind them, or None at the end."""

    jobs: tuple[Job, ...]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class JobList:
    """Reads the jobs that somebody may see: their own, and those that are nobody's own.

    A cursor is the place of a job in the list, so that it is good for any later page, whatever
    jobs come or go meanwhile.
    """

    table: JobTable
    clock: Callable[[], datetime] = utc_now

    def page(
        self,
        caller: str,
        status: Status | None = None,
        limit: int = DEFAULT_LIMIT,
        cursor: str | None = None,
    ) -> JobPage:
        """Up to ``limit`` jobs behind ``cursor``. It may be fewer, or none, before the end.

        Raises InvalidRequest if ``cursor`` is none that this method has returned, and
        ServiceUnavailable.
        """
        before = None if cursor is None else _place(cursor)
        found = [
            self.table.listed(owner, status, before, limit)
            for owner in dict.fromkeys((caller, EVERYONE))
        ]
        # Of an owner whose jobs were not read to the end, there may be more below the last one.
        floor = max((part.read_to for part in found if part.read_to), default="")
        keys = sorted((key for part in found for key in part.keys if key >= floor), reverse=True)
        shown = keys[:limit]
        last = shown[-1] if len(keys) > limit else floor
        jobs = self.table.get_many([key.rpartition("/")[2] for key in shown])
        now = int(self.clock().timestamp())
        kept = tuple(job for job in jobs if job.expires_at > now and job.is_seen_by(caller))
        return JobPage(kept, _cursor(last) if last else None)


def _cursor(place: str) -> str:
    return base64.urlsafe_b64encode(place.encode()).decode().rstrip("=")


def _place(cursor: str) -> str:
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        place = base64.b64decode(padded, altchars=b"-_", validate=True).decode("ascii")
    except (binascii.Error, ValueError):
        place = ""
    if not _PLACE.fullmatch(place):
        raise InvalidRequest(
            "cursor: not one that this API has given. Use nextCursor as it is, or leave it out."
        )
    return place
