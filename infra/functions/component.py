"""The Lambda functions: what each is told, what it may, and what starts it."""

import json
from collections.abc import Sequence

import pulumi
import pulumi_aws as aws

from infra import policies
from infra.config.settings import DAY_SECONDS, REQUESTS_PREFIX, WORK_PREFIX, Settings
from infra.encryption import Key, KeyUse
from infra.functions.lambda_function import Environment, FunctionMaker
from infra.policies import Statement
from infra.queue import DEAD_LETTER_TIMEOUT_SECONDS, JobQueue
from infra.stack import account_id
from infra.storage import Storage
from infra.table import OWNER_INDEX, SWEEP_INDEX
from infra.triggers import feed, schedule

API_TIMEOUT_SECONDS = 29
"""API Gateway waits 30 seconds for an integration."""

ZIPPER_DISK_MB = 2048
"""A list of a million entries, twice, with long keys. The first 512 MB cost nothing."""

RECONCILER_TIMEOUT_SECONDS = 300

RECONCILE_GRACE_TIMEOUTS = 2
"""How many of the zipper's timeouts a job may go without a sign of life before it is looked after:
one is what a crash may take to be noticed by the queue."""


class Functions(pulumi.ComponentResource):
    """``enqueue``, ``status``, ``cancel``, ``docs``, ``zipper``, ``dead_letter``, ``reconciler``
    and the triggers of the last three.
    """

    def __init__(
        self,
        settings: Settings,
        storage: Storage,
        table: aws.dynamodb.Table,
        queue: JobQueue,
        bus: aws.cloudwatch.EventBus,
        key: Key,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("s3zipjobs:infra:Functions", f"{settings.prefix}-functions", None, opts)
        self._settings = settings
        self._storage = storage
        self._table = table
        self._queue = queue
        self._bus = bus
        self._account_id = account_id()
        # Of an existing manifest bucket it is not known which of them encrypts it.
        self._manifest_key_arns = settings.target_kms_key_arns if settings.manifest_bucket else ()
        maker = FunctionMaker(settings, self._account_id, key, self)
        self._make, self.watched = maker.make, maker.watched
        self.enqueue = self._enqueue()
        self.status = self._status()
        self.cancel = self._cancel()
        self.docs = self._docs()
        self.zipper = self._zipper()
        self.dead_letter = self._dead_letter()
        self.reconciler = self._reconciler()
        name = settings.prefix
        most = settings.zipper_max_concurrency
        feed(f"{name}-zipper", self.zipper, queue.queue, 1, most, self)
        feed(f"{name}-dead-letter", self.dead_letter, queue.dead_letters, 10, 2, self)
        self.reconciler_rule = schedule(
            f"{name}-reconciler", self.reconciler, settings.reconcile_minutes, self
        )
        self.register_outputs({})

    def _enqueue(self) -> aws.lambda_.Function:
        storage, queue = self._storage, self._queue.queue
        return self._make(
            "enqueue",
            handler="handlers.enqueue.handler",
            memory_mb=512,
            timeout_seconds=API_TIMEOUT_SECONDS,
            environment={
                **self._table_environment(),
                **self._owners_environment(),
                **self._policy_environment(),
                **self._api_environment(),
                "QUEUE_URL": queue.url,
                "REQUESTS_BUCKET": storage.manifest_bucket,
                "REQUESTS_PREFIX": REQUESTS_PREFIX,
            },
            key_use=KeyUse(policies.ENCRYPT, ("s3", "sqs", "dynamodb")),
            statements=pulumi.Output.all(storage.manifest_bucket, queue.arn, self._table.arn).apply(
                lambda a: [
                    policies.allow(
                        ["s3:PutObject", "s3:GetObject"],
                        [f"arn:aws:s3:::{a[0]}/{REQUESTS_PREFIX}*"],
                    ),
                    policies.allow(["sqs:SendMessage"], [a[1]]),
                    policies.allow(
                        ["dynamodb:GetItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem"], [a[2]]
                    ),
                    *policies.use_object_keys(policies.ENCRYPT, self._manifest_key_arns),
                ]
            ),
        )

    def _status(self) -> aws.lambda_.Function:
        return self._make(
            "status",
            handler="handlers.status.handler",
            memory_mb=512,
            timeout_seconds=API_TIMEOUT_SECONDS,
            environment={
                **self._table_environment(),
                **self._owners_environment(),
                **self._api_environment(),
                "PRESIGN_TTL_SECONDS": str(self._settings.presign_ttl_seconds),
            },
            key_use=KeyUse(policies.DECRYPT, ("s3", "dynamodb")),
            statements=pulumi.Output.all(self._table.arn, self._storage.allowed_targets).apply(
                lambda a: [
                    policies.allow(["dynamodb:GetItem", "dynamodb:BatchGetItem"], [a[0]]),
                    policies.allow(["dynamodb:Query"], [f"{a[0]}/index/{OWNER_INDEX}"]),
                    # A presigned URL can do what its signer may do.
                    policies.allow(
                        ["s3:GetObject", "s3:GetObjectVersion"],
                        [f"arn:aws:s3:::{place}*" for place in a[1]],
                    ),
                    *policies.use_object_keys(policies.DECRYPT, self._settings.target_kms_key_arns),
                ]
            ),
        )

    def _zipper(self) -> aws.lambda_.Function:
        storage, prefix = self._storage, self._settings.manifest_prefix
        return self._make(
            "zipper",
            handler="handlers.zipper.handler",
            memory_mb=self._settings.zipper_memory_mb,
            disk_mb=ZIPPER_DISK_MB,
            timeout_seconds=self._settings.zipper_timeout_seconds,
            environment={
                **self._table_environment(),
                **self._owners_environment(),
                **self._policy_environment(),
                **self._work_environment(),
                "MANIFEST_PREFIX": prefix,
                "QUEUE_URL": self._queue.queue.url,
                "EVENT_BUS_NAME": self._bus.name,
                "SERVICE_NAME": self._settings.prefix,
                "SEGMENT_MIB": str(self._settings.segment_mib),
            },
            key_use=KeyUse(policies.ENCRYPT, ("s3", "sqs", "dynamodb")),
            statements=pulumi.Output.all(
                storage.allowed_sources,
                storage.allowed_targets,
                storage.manifest_bucket,
                self._table.arn,
                self._queue.queue.arn,
                self._bus.arn,
            ).apply(
                lambda a: [
                    *policies.read_objects(
                        [*a[0], f"{a[2]}/{prefix}", f"{a[2]}/{REQUESTS_PREFIX}"]
                    ),
                    policies.write_objects(a[1]),
                    policies.work_objects(f"{a[2]}/{WORK_PREFIX}"),
                    policies.delete_objects(f"{a[2]}/{WORK_PREFIX}"),
                    *policies.remove_archives(a[1]),
                    policies.allow(["dynamodb:GetItem", "dynamodb:UpdateItem"], [a[3]]),
                    policies.consume(a[4]),
                    policies.allow(["sqs:ChangeMessageVisibility", "sqs:SendMessage"], [a[4]]),
                    policies.allow(["events:PutEvents"], [a[5]]),
                    *policies.use_object_keys(policies.DECRYPT, self._settings.source_kms_key_arns),
                    *policies.use_object_keys(policies.ENCRYPT, self._settings.target_kms_key_arns),
                ]
            ),
        )

    def _cancel(self) -> aws.lambda_.Function:
        return self._make(
            "cancel",
            handler="handlers.cancel.handler",
            memory_mb=512,
            timeout_seconds=API_TIMEOUT_SECONDS,
            environment={**self._ending_environment(), **self._api_environment()},
            key_use=KeyUse(policies.ENCRYPT, ("s3", "dynamodb")),
            statements=self._ending_statements(),
        )

    def _docs(self) -> aws.lambda_.Function:
        return self._make(
            "docs",
            handler="handlers.docs.handler",
            memory_mb=512,
            timeout_seconds=API_TIMEOUT_SECONDS,
            environment=self._api_environment(),
            statements=pulumi.Output.from_input([]),
        )

    def _dead_letter(self) -> aws.lambda_.Function:
        return self._make(
            "dead-letter",
            handler="handlers.dead_letter.handler",
            memory_mb=512,
            timeout_seconds=DEAD_LETTER_TIMEOUT_SECONDS,
            environment=self._ending_environment(),
            key_use=KeyUse(policies.ENCRYPT, ("s3", "sqs", "dynamodb")),
            statements=pulumi.Output.all(
                self._ending_statements(), self._queue.dead_letters.arn
            ).apply(lambda a: [*a[0], policies.consume(a[1])]),
        )

    def _reconciler(self) -> aws.lambda_.Function:
        queue, table, bucket = self._queue.queue, self._table, self._storage.manifest_bucket
        return self._make(
            "reconciler",
            handler="handlers.reconciler.handler",
            memory_mb=512,
            timeout_seconds=RECONCILER_TIMEOUT_SECONDS,
            environment={**self._ending_environment(), "QUEUE_URL": queue.url},
            key_use=KeyUse(policies.ENCRYPT, ("s3", "sqs", "dynamodb")),
            statements=pulumi.Output.all(
                self._ending_statements(), queue.arn, table.arn, bucket
            ).apply(
                lambda a: [
                    *a[0],
                    policies.allow(["sqs:SendMessage"], [a[1]]),
                    policies.allow(["dynamodb:Query"], [f"{a[2]}/index/{SWEEP_INDEX}"]),
                ]
            ),
        )

    def _ending_environment(self) -> Environment:
        return {
            **self._table_environment(),
            **self._owners_environment(),
            **self._work_environment(),
            "TARGET_BUCKET": self._storage.target_bucket,
            "TARGET_PREFIX": self._settings.target_prefix,
            "MANIFEST_PREFIX": self._settings.manifest_prefix,
            "EVENT_BUS_NAME": self._bus.name,
            "SERVICE_NAME": self._settings.prefix,
        }

    def _ending_statements(self) -> pulumi.Output[Sequence[Statement]]:
        """What it takes to give a job its end without having worked on it."""
        storage = self._storage
        return pulumi.Output.all(
            storage.allowed_targets,
            storage.manifest_bucket,
            self._table.arn,
            self._bus.arn,
            storage.target_bucket,
        ).apply(
            lambda a: [
                *policies.remove_archives(a[0]),
                policies.list_objects(f"{a[1]}/{WORK_PREFIX}"),
                policies.delete_objects(f"{a[1]}/{WORK_PREFIX}"),
                policies.write_status_objects(f"{a[4]}/{self._settings.target_prefix}"),
                policies.allow(["dynamodb:GetItem", "dynamodb:UpdateItem"], [a[2]]),
                policies.allow(["events:PutEvents"], [a[3]]),
                *policies.use_object_keys(policies.ENCRYPT, self._settings.target_kms_key_arns),
            ]
        )

    def _api_environment(self) -> Environment:
        return {"API_AUTH": self._settings.api_auth}

    def _table_environment(self) -> Environment:
        grace = RECONCILE_GRACE_TIMEOUTS * self._settings.zipper_timeout_seconds
        return {
            "TABLE_NAME": self._table.name,
            "JOB_RETENTION_SECONDS": str(self._settings.job_retention_days * DAY_SECONDS),
            "RECONCILE_GRACE_SECONDS": str(grace),
        }

    def _owners_environment(self) -> Environment:
        """For whoever talks to S3."""
        owners = json.dumps(self._settings.owner_ids)
        return {"ACCOUNT_ID": self._account_id, "BUCKET_OWNERS": owners}

    def _work_environment(self) -> Environment:
        return {"WORK_BUCKET": self._storage.manifest_bucket, "WORK_PREFIX": WORK_PREFIX}

    def _policy_environment(self) -> Environment:
        storage = self._storage
        return {
            "SOURCE_BUCKET": storage.source_bucket,
            "TARGET_BUCKET": storage.target_bucket,
            "TARGET_PREFIX": self._settings.target_prefix,
            "ALLOWED_SOURCES": storage.allowed_sources.apply(json.dumps),
            "ALLOWED_TARGETS": storage.allowed_targets.apply(json.dumps),
        }
