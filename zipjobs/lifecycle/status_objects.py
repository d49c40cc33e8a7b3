"""Status objects: the result of a manifest's job, as a JSON object next to the archives.

The key of a status object derives from the manifest's key, so that a user who only has S3 finds it.
Its content is the detail of the completion event. If a manifest is uploaded several times, the
status object describes the last upload.
"""

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from zipjobs.errors import ServiceUnavailable, aws_error_code
from zipjobs.jobs.events import CompletionDetail
from zipjobs.jobs.job import Job
from zipjobs.jobs.summary import manifest_of
from zipjobs.model import iso_utc
from zipjobs.s3.errors import ErrorResponse, is_permanent
from zipjobs.s3.retry import STATUS_OBJECT_ATTEMPTS
from zipjobs.s3.target import OWNER_TAG, Target

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

logger = logging.getLogger(__name__)

SUFFIX = ".status.json"
# The metadata keys are stored, so they keep their first names.
MANIFEST_UPLOAD = "drop"
UPLOADED_AT = "dropped-at"
"""Metadata that identifies the upload of the manifest: bucket and sequencer, and the time."""

RACES = ("PreconditionFailed", "ConditionalRequestConflict", "NoSuchKey")
"""Error codes for an object that changed: "Conditional writes" in the S3 User Guide."""


class StatusObjects:
    """Writes status objects into ``bucket``, below ``prefix``, for manifests below
    ``manifest_prefix``.
    """

    def __init__(self, s3: "S3Client", bucket: str, prefix: str, manifest_prefix: str) -> None:
        self._s3 = s3
        self._bucket = bucket
        self._prefix = prefix
        self._manifest_prefix = manifest_prefix

    def key_of(self, manifest_key: str) -> str:
        """Return the key for a manifest.

        ``manifests/q3/invoices.json`` has the status object ``zips/q3/invoices.status.json``.
        """
        name = manifest_key.removeprefix(self._manifest_prefix).removesuffix(".json")
        return f"{self._prefix}{name}{SUFFIX}"

    def put(self, job: Job) -> None:
        """Write the status object of a final job, if a manifest started it.

        The object of a later upload of the manifest stays, and so does any object that is not a
        status object. If S3 refuses the write permanently, that is logged. Raises
        ServiceUnavailable if the write must be retried.
        """
        manifest = manifest_of(job)
        if manifest is None:
            return
        target = Target(self._bucket, self.key_of(manifest.key))
        try:
            if not self._put(job, target):
                attempts = STATUS_OBJECT_ATTEMPTS
                raise ServiceUnavailable(f"{target} changed during {attempts} attempts.")
        except (ClientError, BotoCoreError) as error:
            if not is_permanent(error):
                raise ServiceUnavailable(f"{target} was not written: {error}") from error
            logger.warning("Job %s: %s could not be written", job.job_id, target, exc_info=True)

    def _put(self, job: Job, target: Target) -> bool:
        """Return whether nothing is left to do; False if all attempts met a concurrent change."""
        for _ in range(STATUS_OBJECT_ATTEMPTS):
            found = self._find(target)
            if found is not None and not _can_replace(found, job, target):
                return True
            condition = {"IfNoneMatch": "*"} if found is None else {"IfMatch": found["ETag"]}
            try:
                self._s3.put_object(
                    Bucket=target.bucket,
                    Key=target.key,
                    **condition,
                    Body=CompletionDetail.of(job).model_dump_json(by_alias=True, indent=2).encode(),
                    ContentType="application/json",
                    ChecksumAlgorithm="CRC32",  # buckets with Object Lock need a checksum
                    Metadata=_metadata(job),
                )
            except ClientError as error:
                if aws_error_code(error) not in RACES:
                    raise
                refused = error
            else:
                return True
        if found is None:
            raise refused  # the object exists, but there is no permission to read it
        return False

    def _find(self, target: Target) -> Mapping[str, Any] | None:
        try:
            return self._s3.head_object(Bucket=target.bucket, Key=target.key)
        except ClientError as error:
            if ErrorResponse.of(error).may_be_absent:
                return None
            raise


def _metadata(job: Job) -> dict[str, str]:
    upload = f"{job.request.bucket}/{job.sequencer or ''}"
    return {OWNER_TAG: job.job_id, MANIFEST_UPLOAD: upload, UPLOADED_AT: iso_utc(job.created_at)}


def _can_replace(found: Mapping[str, Any], job: Job, target: Target) -> bool:
    """Return whether the object describes an earlier upload of the manifest."""
    metadata = found["Metadata"]
    if OWNER_TAG not in metadata or MANIFEST_UPLOAD not in metadata:
        logger.warning("Job %s: %s is not a status object and is kept", job.job_id, target)
        return False
    if metadata[OWNER_TAG] == job.job_id:
        return False
    bucket, _, sequencer = metadata[MANIFEST_UPLOAD].partition("/")
    if bucket == job.request.bucket and sequencer and job.sequencer:
        return _is_before(sequencer, job.sequencer)
    return bool(metadata.get(UPLOADED_AT, "") <= iso_utc(job.created_at))


def _is_before(one: str, other: str) -> bool:
    """Compare two sequencers: "Event message structure" in the S3 User Guide."""
    length = max(len(one), len(other))
    return one.ljust(length, "0") < other.ljust(length, "0")
