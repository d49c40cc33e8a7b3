"""Builds the objects of the cancel, dead-letter and reconciler functions."""

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from zipjobs.jobs.events import CompletionEvents
from zipjobs.jobs.queue import JobQueue
from zipjobs.jobs.store import JobStore
from zipjobs.lifecycle.finalizer import JobFinalizer
from zipjobs.lifecycle.metrics import JobMetrics
from zipjobs.lifecycle.reconciler import Reconciler
from zipjobs.lifecycle.segment_objects import SegmentObjects
from zipjobs.lifecycle.status_objects import StatusObjects
from zipjobs.s3.upload_cleanup import UploadCleaner
from zipjobs.settings import (
    ApiAuth,
    CancelSettings,
    FinalizerSettings,
    ReconcilerSettings,
    WorkSettings,
    ZipperSettings,
)
from zipjobs.wiring.api import client, s3_client, store_of

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@dataclass(frozen=True)
class CancelDependencies:
    """The objects that ``DELETE /zip-jobs/{id}`` uses."""

    api_auth: ApiAuth
    store: JobStore
    finalizer: JobFinalizer


@cache
def cancel_dependencies() -> CancelDependencies:
    """Return the dependencies of ``handlers/cancel.py``."""
    settings = CancelSettings.from_environment()
    store = store_of(settings)
    finalizer = finalizer_of(settings, store, s3_client(settings.owners))
    return CancelDependencies(settings.api_auth, store, finalizer)


@cache
def finalizer() -> JobFinalizer:
    """Return the finalizer of ``handlers/dead_letter.py``."""
    settings = FinalizerSettings.from_environment()
    return finalizer_of(settings, store_of(settings), s3_client(settings.owners))


@cache
def reconciler() -> Reconciler:
    """Return the reconciler of ``handlers/reconciler.py``."""
    settings = ReconcilerSettings.from_environment()
    s3, store = s3_client(settings.owners), store_of(settings)
    return Reconciler(
        store,
        JobQueue(client("sqs"), settings.queue_url),
        segment_objects(s3, settings),
        finalizer_of(settings, store, s3),
        JobMetrics(settings.service_name),
    )


def finalizer_of(
    settings: FinalizerSettings | ZipperSettings, store: JobStore, s3: "S3Client"
) -> JobFinalizer:
    """Return a finalizer that uses the clients of ``store`` and ``s3``."""
    location = settings.target_bucket, settings.target_prefix, settings.manifest_prefix
    return JobFinalizer(
        store,
        UploadCleaner(s3),
        segment_objects(s3, settings),
        StatusObjects(s3, *location),
        CompletionEvents(client("events"), settings.event_bus_name),
        JobMetrics(settings.service_name),
    )


def segment_objects(s3: "S3Client", settings: WorkSettings) -> SegmentObjects:
    """Return the objects that workers of a planned job exchange."""
    return SegmentObjects(s3, settings.work_bucket, settings.work_prefix)
