"""Parses messages of the job queue: our own, and EventBridge events about new manifests.

Both become a ``Submission``. "Using EventBridge", Event message structure, in the S3 User Guide
describes the events.
"""

import uuid
from typing import Annotated

from pydantic import Field, StringConstraints, TypeAdapter, ValidationError

from zipjobs.errors import ZipJobsError
from zipjobs.jobs.job import Submission, Trigger
from zipjobs.model import Model, Timestamp
from zipjobs.requests.fields import BucketName, ETag, Key, VersionId
from zipjobs.requests.storage import ObjectRef
from zipjobs.s3.source import NULL_VERSION

MANIFEST_JOBS = uuid.UUID("5d1f2c1e-8a0e-5b52-9e0b-3f3f8a7a6d10")
"""The UUID namespace of job IDs of manifests. Never change it: repeated events of old manifests
would start second jobs."""


class UnknownMessage(ZipJobsError):
    """A message that is not a job and not an event about a new object."""


class _EventBucket(Model):
    name: BucketName


class _EventObject(Model):
    key: Key
    etag: ETag = Field(alias="etag")
    version_id: VersionId | None = Field(None, alias="version-id")
    sequencer: Annotated[str, StringConstraints(max_length=128, pattern="^[!-~]*$")] = ""


class _EventDetail(Model):
    bucket: _EventBucket
    object: _EventObject


class _ObjectCreated(Model):
    detail_type: str = Field(alias="detail-type", pattern="^Object Created$")
    time: Timestamp
    detail: _EventDetail


_MESSAGE: TypeAdapter[Submission | _ObjectCreated] = TypeAdapter(Submission | _ObjectCreated)


def parse_message(body: str) -> Submission:
    """Return the job that the body of a message names. Raises UnknownMessage."""
    try:
        message = _MESSAGE.validate_json(body)
    except ValidationError as error:
        raise UnknownMessage("The message is not a job and not an Object Created event.") from error
    return message if isinstance(message, Submission) else _from_manifest(message)


def _from_manifest(event: _ObjectCreated) -> Submission:
    bucket, manifest = event.detail.bucket.name, event.detail.object
    version_id = None if manifest.version_id == NULL_VERSION else manifest.version_id
    return Submission(
        job_id=manifest_job_id(bucket, manifest.key, version_id, manifest.etag, manifest.sequencer),
        trigger=Trigger.MANIFEST,
        request=ObjectRef(
            bucket=bucket,
            key=manifest.key,
            version_id=version_id,
            etag=None if version_id else manifest.etag,
        ),
        sequencer=manifest.sequencer or None,
        submitted_at=event.time,
    )


def manifest_job_id(
    bucket: str, key: str, version_id: str | None, etag: str, sequencer: str
) -> str:
    """Return the ID of the job for one upload of a manifest.

    The version identifies the upload. Without versioning, the sequencer and ETag do: a duplicate
    event has the same ones, and a later upload has another sequencer.
    """
    upload = ("version", version_id) if version_id else ("sequencer", sequencer, etag)
    return str(uuid.uuid5(MANIFEST_JOBS, "\0".join((bucket, key, *upload))))
