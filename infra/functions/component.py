"""The Lambda functions: the capabilities of each, and what invokes the ones outside the API."""

import pulumi
import pulumi_aws as aws

from infra.config.settings import Settings
from infra.functions.capabilities import Capabilities
from infra.functions.lambda_function import (
    FunctionFactory,
    invoke_on_schedule,
    invoke_with_messages,
)
from infra.functions.roles import Roles
from infra.queues import DEAD_LETTER_TIMEOUT_SECONDS, JobQueues
from infra.stack import account_id
from infra.storage import Storage

API_TIMEOUT_SECONDS = 29
"""API Gateway waits 30 seconds for an integration."""

ZIPPER_DISK_MB = 2048
"""Room for two copies of a list of a million entries with long keys. The first 512 MB are free."""

RECONCILER_TIMEOUT_SECONDS = 300


class Functions(pulumi.ComponentResource):
    """All functions. ``metrics`` has the CloudWatch metrics of each, by the function's name."""

    def __init__(
        self,
        settings: Settings,
        storage: Storage,
        table: aws.dynamodb.Table,
        queue: JobQueues,
        bus: aws.cloudwatch.EventBus,
        roles: Roles,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("s3zipjobs:infra:Functions", f"{settings.prefix}-functions", None, opts)
        account = account_id()
        can = Capabilities(settings, storage, table, queue, bus, account)
        factory = FunctionFactory(settings, roles, self)
        self.metrics = factory.metrics
        finalize_jobs = [
            can.verify_bucket_owners(),
            can.use_job_records("GetItem", "UpdateItem"),
            can.delete_output(),
            can.delete_segments(),
            can.write_status_objects(),
            can.send_completion_events(),
            can.write_metrics(),
        ]
        self.enqueue = factory.create(
            "enqueue",
            handler="handlers.enqueue.handler",
            timeout_seconds=API_TIMEOUT_SECONDS,
            capabilities=[
                can.identify_callers(),
                can.check_allow_list(),
                can.verify_bucket_owners(),
                can.store_requests(),
                can.use_job_queue("SendMessage"),
                can.use_job_records("GetItem", "UpdateItem", "DeleteItem"),
            ],
        )
        self.status = factory.create(
            "status",
            handler="handlers.status.handler",
            timeout_seconds=API_TIMEOUT_SECONDS,
            capabilities=[
                can.identify_callers(),
                can.verify_bucket_owners(),
                can.use_job_records("GetItem", "BatchGetItem"),
                can.list_jobs_of_an_owner(),
                can.presign_downloads(),
            ],
        )
        self.cancel = factory.create(
            "cancel",
            handler="handlers.cancel.handler",
            timeout_seconds=API_TIMEOUT_SECONDS,
            capabilities=[can.identify_callers(), *finalize_jobs],
        )
        self.docs = factory.create(
            "docs",
            handler="handlers.docs.handler",
            timeout_seconds=API_TIMEOUT_SECONDS,
            capabilities=[can.identify_callers()],
        )
        self.zipper = factory.create(
            "zipper",
            handler="handlers.zipper.handler",
            timeout_seconds=settings.zipper_timeout_seconds,
            memory_mb=settings.zipper_memory_mb,
            disk_mb=ZIPPER_DISK_MB,
            capabilities=[
                can.receive_messages(queue.queue),
                can.use_job_queue("ChangeMessageVisibility", "SendMessage"),
                can.use_job_records("GetItem", "UpdateItem"),
                can.check_allow_list(),
                can.verify_bucket_owners(),
                can.read_sources(),
                can.write_archives(),
                can.delete_output(),
                can.split_large_jobs(),
                can.send_completion_events(),
                can.write_metrics(),
            ],
        )
        self.dead_letter = factory.create(
            "dead-letter",
            handler="handlers.dead_letter.handler",
            timeout_seconds=DEAD_LETTER_TIMEOUT_SECONDS,
            capabilities=[can.receive_messages(queue.dead_letters), *finalize_jobs],
        )
        self.reconciler = factory.create(
            "reconciler",
            handler="handlers.reconciler.handler",
            timeout_seconds=RECONCILER_TIMEOUT_SECONDS,
            capabilities=[
                can.find_stuck_jobs(),
                can.use_job_queue("SendMessage"),
                *finalize_jobs,
            ],
        )
        invoke_with_messages(
            f"{settings.prefix}-zipper",
            self.zipper,
            queue.queue,
            batch_size=1,
            max_concurrency=settings.zipper_max_concurrency,
            pollers=settings.zipper_pollers,
            parent=self,
        )
        invoke_with_messages(
            f"{settings.prefix}-dead-letter",
            self.dead_letter,
            queue.dead_letters,
            batch_size=10,
            max_concurrency=2,
            parent=self,
        )
        self.reconciler_rule = invoke_on_schedule(
            f"{settings.prefix}-reconciler",
            self.reconciler,
            minutes=settings.reconcile_minutes,
            parent=self,
        )
        self.register_outputs({})
