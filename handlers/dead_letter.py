"""Fails the jobs whose messages reached the dead-letter queue."""

import logging
from typing import Any

from aws_lambda_powertools.utilities.batch import (
    BatchProcessor,
    EventType,
    process_partial_response,
)
from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

from zipjobs import telemetry
from zipjobs.jobs.messages import UnknownMessage, parse_message
from zipjobs.wiring import lifecycle as wiring

logger = logging.getLogger("zipjobs.handlers")


def handler(event: dict[str, Any], context: object) -> PartialItemFailureResponse:
    """Fail the job of each message of an SQS event. Return the messages to retry.

    A message without a job ID is logged and deleted.
    """
    telemetry.start_logging(context)
    finalizer = wiring.finalizer()

    def fail(record: SQSRecord) -> None:
        with telemetry.log_keys.append_context_keys(job_id=None):
            try:
                submission = parse_message(record.body)
                telemetry.log_keys.append_keys(job_id=submission.job_id)
                job = finalizer.fail_exhausted(submission)
                logger.warning("Job %s: %s after its last attempt", job.job_id, job.status)
            except UnknownMessage:
                chars = len(record.body)
                logger.error("Message %s names no job (%d characters)", record.message_id, chars)
            except Exception:
                logger.exception("Message %s stays on the dead-letter queue", record.message_id)
                raise

    processor = BatchProcessor(EventType.SQS, raise_on_entire_batch_failure=False)
    return process_partial_response(event, fail, processor)
