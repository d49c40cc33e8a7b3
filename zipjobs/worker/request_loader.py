"""Loads what a job asks for: the request, the destination and the list of entries."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from zipjobs.errors import ListTooLarge
from zipjobs.jobs.job import Job
from zipjobs.jobs.store import JobStore
from zipjobs.model import utc_now
from zipjobs.requests.allow_list import AllowList, Destination
from zipjobs.requests.fields import EXPIRY_TAG
from zipjobs.requests.schema import JobRequest
from zipjobs.requests.sources import SourceReader
from zipjobs.requests.storage import RequestReader
from zipjobs.s3.object_reader import ObjectReader
from zipjobs.s3.target import Target
from zipjobs.worker.entry_list import EntryList, entries_of, with_sizes_of_markers
from zipjobs.worker.heartbeat import Heartbeat
from zipjobs.worker.limits import JobLimits

READING_FRACTION = 0.5
"""The part of a worker's time that reading the list may take. The rest is for the archive or the
plan. A list that takes longer fails the job: a retry would take as long."""

MIN_READING_SECONDS = 30.0
"""Half of the zipper's shortest timeout. A worker with less time left does not fail the job."""


@dataclass(frozen=True, slots=True)
class LoadedRequest:
    """A job's request, where its archive goes, and the entries to zip.

    ``job`` is the record after the destination was written to it.
    """

    job: Job
    request: JobRequest
    destination: Destination
    entries: EntryList

    @property
    def tags(self) -> dict[str, str]:
        """The tags of archives and receipts."""
        days = self.request.expires_in_days
        return {**self.request.tags, **({EXPIRY_TAG: str(days)} if days else {})}

    def target(self, key: str) -> Target:
        """Return the target of an archive."""
        return Target(
            self.destination.target_bucket,
            key,
            self.job.owner_tag,
            self.request.storage_class,
            self.tags,
            self.request.metadata,
        )


class RequestLoader:
    """Reads requests and lists, and enforces the limits of a job."""

    def __init__(
        self,
        store: JobStore,
        requests: RequestReader,
        sources: SourceReader,
        reader: ObjectReader,
        allow_list: AllowList,
        limits: JobLimits,
    ) -> None:
        self._store = store
        self._requests = requests
        self._sources = sources
        self._reader = reader
        self._allow_list = allow_list
        self._limits = limits

    @contextmanager
    def load(self, job: Job, lease_until: datetime) -> Iterator[LoadedRequest]:
        """Load the request of ``job`` and record its destination. Deletes the list on exit.

        Raises LeaseLost if the job was cancelled or taken over. Raises ListTooLarge if the entries
        exceed a limit, or if reading them takes more than ``READING_FRACTION`` of the time until
        ``lease_until``. Also raises the errors of the request, the allow-list and the lists.
        """
        request = self._requests.load(job.request)
        destination = self._allow_list.resolve(request, job.job_id)
        job = self._store.record_destination(job, destination, request.count)
        check = self._reading_check(job, lease_until)
        listed = self._sources.read(request, destination.source_bucket, check)
        sized = with_sizes_of_markers(listed, self._reader)
        with entries_of(request, sized, self._limits.max_paths) as entries:
            yield LoadedRequest(job, request, destination, entries)

    def _reading_check(self, job: Job, lease_until: datetime) -> Callable[[], None]:
        """Return the callable to invoke while the list is read: it sends heartbeats."""
        heartbeat = Heartbeat(lambda _: self._store.record_progress(job, 0, 0))
        seconds_left = (lease_until - utc_now()).total_seconds()
        limit = max(seconds_left * READING_FRACTION, MIN_READING_SECONDS)
        stop_at = time.monotonic() + limit

        def check() -> None:
            heartbeat()
            if time.monotonic() > stop_at:
                raise ListTooLarge(
                    f"Reading the list took more than {limit:,.0f} seconds. Use a narrower "
                    "prefix, or split the list into several jobs."
                )

        return check
