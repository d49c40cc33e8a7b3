"""Status objects: how the job of a manifest ended, as a JSON object in S3.

One stands among the archives, where whoever dropped the manifest finds it by the manifest's own
key, and says what the completion event says. Of several drops of a key it tells of the last one.
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
from zipjobs.s3.target import ABSENT, OWNER_TAG, Target, is_refused

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

logger = logging.getLogger(__name__)

SUFFIX = ".status.json"
DROP = "drop"
DROPPED_AT = "dropped-at"
"""The metadata that tells which drop an object is about: bucket and sequencer, and the time."""

ATTEMPTS = 3
"""Each fails only if another drop's job ended at that very moment."""

RACES = ("PreconditionFailed", "ConditionalRequestConflict", "NoSuchKey")
"""How S3 says that the object is not what it was: "Conditional writes" in the S3 User Guide."""


class StatusObjects:
    """Writes status objects into ``bucket``, below ``prefix``.

    Manifests are dropped below ``manifest_prefix``.
    """

    def __init__(self, s3: "S3Client", bucket: str, prefix: str, manifest_prefix: str) -> None:
        self._s3 = s3
        self._bucket = bucket
        self._prefix = prefix
        self._manifest_prefix = manifest_prefix

    def key_of(self, manifest_key: str) -> str:
        """``zips/q3/invoices.status.json`` for the manifest ``manifests/q3/invoices.json``."""
        name = manifest_key.removeprefix(self._manifest_prefix).removesuffix(".json")
        return f"{self._prefix}{name}{SUFFIX}"

    def put(self, job: Job) -> None:
        """Tell of a job that has its end, if it came by manifest.

        Not if a later drop of the manifest has had its end, and never in the place of an object
        that is no status object. Where S3 refuses it for good, the log says so: the job has its end
        all the same. Raises ServiceUnavailable if it may be written later.
        """
        manifest = manifest_of(job)
        if manifest is None:
            return
        target = Target(self._bucket, self.key_of(manifest.key))
        try:
            if not self._put(job, target):
                raise ServiceUnavailable(f"{target} changes all the time.")
        except (ClientError, BotoCoreError) as error:
            if not is_refused(error):
                raise ServiceUnavailable(f"{target} was not written: {error}") from error
            logger.warning("Job %s: %s could not be written", job.job_id, target, exc_info=True)

    def _put(self, job: Job, target: Target) -> bool:
        """Whether the object is as it should be now, or cannot be."""
        for _ in range(ATTEMPTS):
            found = self._find(target)
            if found is not None and not _gives_way(found, job, target):
                return True
            condition = {"IfNoneMatch": "*"} if found is None else {"IfMatch": found["ETag"]}
            try:
                self._s3.put_object(
                    Bucket=target.bucket,
                    Key=target.key,
                    **condition,
                    Body=CompletionDetail.of(job).model_dump_json(by_alias=True, indent=2).encode(),
                    ContentType="application/json",
                    Metadata=_metadata(job),
                )
            except ClientError as error:
                if aws_error_code(error) not in RACES:
                    raise
                refused = error
            else:
                return True
        if found is None:
            raise refused  # there is an object, which may not be read
        return False

    def _find(self, target: Target) -> Mapping[str, Any] | None:
        try:
            return self._s3.head_object(Bucket=target.bucket, Key=target.key)
        except ClientError as error:
            if aws_error_code(error) in ABSENT:
                return None
            raise


def _metadata(job: Job) -> dict[str, str]:
    drop = f"{job.request.bucket}/{job.sequencer or ''}"
    return {OWNER_TAG: job.job_id, DROP: drop, DROPPED_AT: iso_utc(job.created_at)}


def _gives_way(found: Mapping[str, Any], job: Job, target: Target) -> bool:
    """Whether the object is of an earlier drop. The same job's is as it should be already."""
    metadata = found["Metadata"]
    if OWNER_TAG not in metadata or DROP not in metadata:
        logger.warning("Job %s: %s is another object, and stays", job.job_id, target)
        return False
    if metadata[OWNER_TAG] == job.job_id:
        return False
    bucket, _, sequencer = metadata[DROP].partition("/")
    if bucket == job.request.bucket and sequencer and job.sequencer:
        return _is_before(sequencer, job.sequencer)
    return bool(metadata.get(DROPPED_AT, "") <= iso_utc(job.created_at))


def _is_before(one: str, other: str) -> bool:
    """Of two sequencers of a key, as "Event message structure" in the S3 User Guide has it."""
    length = max(len(one), len(other))
    return one.ljust(length, "0") < other.ljust(length, "0")
