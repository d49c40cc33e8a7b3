"""Runs the jobs of the queue. A message is a job, a segment of a job, or a manifest event."""

import logging
from datetime import timedelta
from typing import Any

from aws_lambda_powertools.utilities.batch import (
    BatchProcessor,
    EventType,
    process_partial_response,
)
from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

from zipjobs import telemetry
from zipjobs.errors import TransientError, ZipJobsError
from zipjobs.jobs.messages import parse_message
from zipjobs.jobs.queue import JobQueue, retry_delay_seconds
from zipjobs.model import utc_now
from zipjobs.wiring import worker as wiring

logger = logging.getLogger("zipjobs.handlers")


def handler(event: dict[str, Any], context: LambdaContext) -> PartialItemFailureResponse:
    """Run the job of each message of an SQS event. Return the messages to retry.

    A job is leased until this invocation's deadline, which is also when its message becomes visible
    again. The next worker that receives the message can therefore claim the job at once.
    """
    telemetry.start_logging(context)
    dependencies = wiring.zipper_dependencies()
    lease_until = utc_now() + timedelta(milliseconds=context.get_remaining_time_in_millis())

    def run(record: SQSRecord) -> None:
        with telemetry.log_keys.append_context_keys(job_id=None):
            try:
                submission = parse_message(record.body)
                telemetry.log_keys.append_keys(job_id=submission.job_id)
                dependencies.runner.run(submission, lease_until)
            except Exception as error:
                _log(record, error)
                _retry_soon(record, error, dependencies.queue)
                raise

    processor = BatchProcessor(EventType.SQS, raise_on_entire_batch_failure=False)
    return process_partial_response(event, run, processor)


def _log(record: SQSRecord, error: Exception) -> None:
    if isinstance(error, ZipJobsError):
        logger.warning("Message %s stays on the queue: %s", record.message_id, error)
    else:
        logger.exception("Message %s failed with an internal error", record.message_id)


def _retry_soon(record: SQSRecord, error: Exception, queue: JobQueue) -> None:
    delay = error.retry_after_seconds if isinstance(error, TransientError) else None
    if delay is None:
        delay = retry_delay_seconds(int(record.attributes.approximate_receive_count))
    try:
        queue.retry_in(record.receipt_handle, delay)
    except ZipJobsError as problem:
        logger.warning("%s The message returns when its visibility timeout ends.", problem)
