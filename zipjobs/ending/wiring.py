"""The composition root of who ends jobs, and of who looks for those that were lost.

``zipjobs/wiring.py`` gives it clients.
"""

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from zipjobs.archive.leftovers import Leftovers
from zipjobs.ending.endings import Endings
from zipjobs.ending.metrics import JobMetrics
from zipjobs.ending.statuses import StatusObjects
from zipjobs.ending.sweeper import Sweeper
from zipjobs.ending.work_objects import WorkObjects
from zipjobs.jobs.events import CompletionEvents
from zipjobs.jobs.queue import JobQueue
from zipjobs.jobs.store import JobStore
from zipjobs.settings import (
    ApiAuth,
    CancelSettings,
    EndingSettings,
    SweeperSettings,
    WorkSettings,
    ZipperSettings,
)
from zipjobs.wiring import client, s3_client, store_of

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@dataclass(frozen=True)
class Canceling:
    """What it takes to cancel a job."""

    api_auth: ApiAuth
    store: JobStore
    endings: Endings


@cache
def canceling() -> Canceling:
    """For ``handlers/cancel.py``."""
    settings = CancelSettings.from_environment()
    store = store_of(settings)
    endings = endings_of(settings, store, s3_client(settings.owners))
    return Canceling(settings.api_auth, store, endings)


@cache
def ending() -> Endings:
    """For ``handlers/dead_letter.py``."""
    settings = EndingSettings.from_environment()
    return endings_of(settings, store_of(settings), s3_client(settings.owners))


@cache
def sweeping() -> Sweeper:
    """For ``handlers/sweeper.py``."""
    settings = SweeperSettings.from_environment()
    s3, store = s3_client(settings.owners), store_of(settings)
    return Sweeper(
        store,
        JobQueue(client("sqs"), settings.queue_url),
        _work(s3, settings),
        endings_of(settings, store, s3),
        JobMetrics(settings.service_name),
    )


def endings_of(
    settings: EndingSettings | ZipperSettings, store: JobStore, s3: "S3Client"
) -> Endings:
    """How a function ends jobs, with the clients that it has."""
    places = settings.target_bucket, settings.target_prefix, settings.manifest_prefix
    return Endings(
        store,
        Leftovers(s3),
        _work(s3, settings),
        StatusObjects(s3, *places),
        CompletionEvents(client("events"), settings.event_bus_name),
        JobMetrics(settings.service_name),
    )


def _work(s3: "S3Client", settings: WorkSettings) -> WorkObjects:
    return WorkObjects(s3, settings.work_bucket, settings.work_prefix)
