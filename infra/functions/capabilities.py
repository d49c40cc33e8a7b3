"""The capabilities of functions, each with its permissions and its environment variables.

To give a function a permission or a variable, add it to a capability here, or add a capability to
the function's list in ``component``.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import pulumi
import pulumi_aws as aws

from infra import policies
from infra.config.settings import DAY_SECONDS, REQUESTS_PREFIX, WORK_PREFIX, Settings
from infra.policies import Statement, allow, use_object_keys
from infra.queues import JobQueues
from infra.storage import Storage
from infra.table import OWNER_INDEX, UNFINISHED_INDEX

RECONCILE_GRACE_TIMEOUTS = 2
"""A job without a heartbeat for this many of the zipper's timeouts is stuck. The queue may need one
timeout to deliver the message of a crashed worker again."""

STATUS_SUFFIX = ".status.json"
"""The end of every status object's key."""


Environment = Mapping[str, pulumi.Input[str]]


@dataclass(frozen=True)
class Capability:
    """The permissions and the environment variables that a function needs to do one thing.

    Both may contain outputs.
    """

    statements: pulumi.Input[Sequence[Statement]] = field(default_factory=list)
    environment: Environment = field(default_factory=dict)


class Capabilities:
    """The capabilities of a stack's functions."""

    def __init__(
        self,
        settings: Settings,
        storage: Storage,
        table: aws.dynamodb.Table,
        queue: JobQueues,
        bus: aws.cloudwatch.EventBus,
        account_id: pulumi.Output[str],
    ) -> None:
        self._settings = settings
        self._storage = storage
        self._table = table
        self._queue = queue
        self._bus = bus
        self._account_id = account_id
        self._requests = _place(storage.manifest_bucket, REQUESTS_PREFIX)
        self._work = _place(storage.manifest_bucket, WORK_PREFIX)
        self._work_environment: Environment = {
            "WORK_BUCKET": storage.manifest_bucket,
            "WORK_PREFIX": WORK_PREFIX,
        }

    # The API

    def identify_callers(self) -> Capability:
        return Capability(environment={"API_AUTH": self._settings.api_auth})

    def store_requests(self) -> Capability:
        """Store the requests of callers in the manifest bucket."""
        # Any of these keys may encrypt an existing manifest bucket.
        keys = self._settings.target_kms_key_arns if self._settings.manifest_bucket else ()
        return Capability(
            [
                allow(["s3:PutObject", "s3:GetObject"], [_objects(self._requests)]),
                *use_object_keys(policies.ENCRYPT, keys),
            ],
            {
                "REQUESTS_BUCKET": self._storage.manifest_bucket,
                "REQUESTS_PREFIX": REQUESTS_PREFIX,
            },
        )

    def presign_downloads(self) -> Capability:
        """Sign download links. A presigned URL has the permissions of its signer."""
        objects = self._storage.allowed_targets.apply(_objects_in)
        return Capability(
            [
                allow(["s3:GetObject", "s3:GetObjectVersion"], objects),
                *use_object_keys(policies.DECRYPT, self._settings.target_kms_key_arns),
            ],
            {"PRESIGN_TTL_SECONDS": str(self._settings.presign_ttl_seconds)},
        )

    # Sources and archives

    def verify_bucket_owners(self) -> Capability:
        """Send the expected account of a bucket with each S3 request."""
        return Capability(
            environment={
                "ACCOUNT_ID": self._account_id,
                "BUCKET_OWNERS": json.dumps(self._settings.owner_ids),
            }
        )

    def check_allow_list(self) -> Capability:
        """Refuse requests for places that the settings do not allow."""
        storage = self._storage
        return Capability(
            environment={
                "SOURCE_BUCKET": storage.source_bucket,
                "TARGET_BUCKET": storage.target_bucket,
                "TARGET_PREFIX": self._settings.target_prefix,
                "ALLOWED_SOURCES": storage.allowed_sources.apply(_json),
                "ALLOWED_TARGETS": storage.allowed_targets.apply(_json),
                "ARCHIVE_RETENTION_DAYS": str(self._settings.archive_retention_days),
            }
        )

    def read_sources(self) -> Capability:
        """Read source objects, manifests and stored requests, in any version.

        With permission to list a bucket, S3 returns 404 for a missing key, and 403 without.
        """
        prefix = self._settings.manifest_prefix
        manifests = _place(self._storage.manifest_bucket, prefix)
        places = pulumi.Output.all(
            sources=self._storage.allowed_sources, manifests=manifests, requests=self._requests
        ).apply(lambda found: [*found["sources"], found["manifests"], found["requests"]])
        return Capability(
            [
                allow(["s3:GetObject", "s3:GetObjectVersion"], places.apply(_objects_in)),
                allow(["s3:ListBucket"], places.apply(_buckets_of)),
                *use_object_keys(policies.DECRYPT, self._settings.source_kms_key_arns),
            ],
            {"MANIFEST_PREFIX": prefix},
        )

    def write_archives(self) -> Capability:
        """Write archives, receipts and status objects, with tags, and list the parts of uploads."""
        objects = self._storage.allowed_targets.apply(_objects_in)
        return Capability(
            [
                allow(
                    ["s3:PutObject", "s3:PutObjectTagging", "s3:ListMultipartUploadParts"], objects
                ),
                *use_object_keys(policies.ENCRYPT, self._settings.target_kms_key_arns),
            ]
        )

    def delete_output(self) -> Capability:
        """Abort the uploads and delete the objects of unsuccessful jobs."""
        targets = self._storage.allowed_targets
        actions = [
            "s3:AbortMultipartUpload",
            "s3:GetObject",  # to read the owner tag: objects of other jobs are not deleted
            "s3:DeleteObject",
            "s3:DeleteObjectVersion",
        ]
        return Capability(
            [
                allow(actions, targets.apply(_objects_in)),
                allow(["s3:ListBucketMultipartUploads"], targets.apply(_buckets_of)),
            ]
        )

    def write_status_objects(self) -> Capability:
        """Write the result of a manifest's job next to the archives."""
        bucket, prefix = self._storage.target_bucket, self._settings.target_prefix
        objects = pulumi.Output.concat(_objects(_place(bucket, prefix)), STATUS_SUFFIX)
        return Capability(
            [
                allow(["s3:PutObject"], [objects]),
                *use_object_keys(policies.ENCRYPT, self._settings.target_kms_key_arns),
            ],
            {
                "TARGET_BUCKET": bucket,
                "TARGET_PREFIX": prefix,
                "MANIFEST_PREFIX": self._settings.manifest_prefix,
            },
        )

    # Large jobs

    def split_large_jobs(self) -> Capability:
        """Store the segments of a job for other workers, and delete them afterwards."""
        objects = [_objects(self._work)]
        return Capability(
            [
                allow(["s3:GetObject", "s3:PutObject"], objects),
                allow(["s3:DeleteObject"], objects),
            ],
            {**self._work_environment, "SEGMENT_MIB": str(self._settings.segment_mib)},
        )

    def delete_segments(self) -> Capability:
        """Find and delete the stored segments of unsuccessful jobs."""
        list_segments: Statement = {
            **allow(["s3:ListBucket"], [_bucket_arn(self._storage.manifest_bucket)]),
            "Condition": {"StringLike": {"s3:prefix": f"{WORK_PREFIX}*"}},
        }
        return Capability(
            [list_segments, allow(["s3:DeleteObject"], [_objects(self._work)])],
            self._work_environment,
        )

    # The job table

    def use_job_records(self, *actions: str) -> Capability:
        """Call these actions of DynamoDB on the job table, such as ``GetItem``."""
        grace = RECONCILE_GRACE_TIMEOUTS * self._settings.zipper_timeout_seconds
        return Capability(
            [allow([f"dynamodb:{action}" for action in actions], [self._table.arn])],
            {
                "TABLE_NAME": self._table.name,
                "JOB_RETENTION_SECONDS": str(self._settings.job_retention_days * DAY_SECONDS),
                "RECONCILE_GRACE_SECONDS": str(grace),
            },
        )

    def list_jobs_of_an_owner(self) -> Capability:
        return self._query(OWNER_INDEX)

    def find_stuck_jobs(self) -> Capability:
        return self._query(UNFINISHED_INDEX)

    def _query(self, index: str) -> Capability:
        arn = pulumi.Output.concat(self._table.arn, "/index/", index)
        return Capability([allow(["dynamodb:Query"], [arn])])

    # Queues, events, metrics

    def use_job_queue(self, *actions: str) -> Capability:
        """Call these actions of SQS on the job queue, such as ``SendMessage``."""
        return Capability(
            [allow([f"sqs:{action}" for action in actions], [self._queue.queue.arn])],
            {"QUEUE_URL": self._queue.queue.url},
        )

    def receive_messages(self, queue: aws.sqs.Queue) -> Capability:
        """Be invoked with a queue's messages: Lambda receives them with the function's role."""
        actions = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"]
        return Capability([allow(actions, [queue.arn])])

    def send_completion_events(self) -> Capability:
        return Capability(
            [allow(["events:PutEvents"], [self._bus.arn])], {"EVENT_BUS_NAME": self._bus.name}
        )

    def write_metrics(self) -> Capability:
        """Write metrics to the log, where CloudWatch reads them."""
        return Capability(environment={"SERVICE_NAME": self._settings.prefix})


def _json(places: Sequence[str]) -> str:
    """Return JSON without escapes, which would take more of an environment's bytes."""
    return json.dumps(places, ensure_ascii=False)


def _place(bucket: pulumi.Output[str], prefix: str) -> pulumi.Output[str]:
    """Return ``bucket/prefix``."""
    return pulumi.Output.concat(bucket, "/", prefix)


def _bucket_arn(bucket: pulumi.Output[str]) -> pulumi.Output[str]:
    return pulumi.Output.concat("arn:aws:s3:::", bucket)


def _objects(place: pulumi.Output[str]) -> pulumi.Output[str]:
    """Return the ARN of all objects in a ``bucket/prefix``."""
    return pulumi.Output.concat("arn:aws:s3:::", place, "*")


def _objects_in(places: Iterable[str]) -> list[str]:
    """Return the ARNs of all objects in each ``bucket/prefix``."""
    return [f"arn:aws:s3:::{place}*" for place in places]


def _buckets_of(places: Iterable[str]) -> list[str]:
    """Return the ARN of each bucket once."""
    return sorted({f"arn:aws:s3:::{place.partition('/')[0]}" for place in places})
