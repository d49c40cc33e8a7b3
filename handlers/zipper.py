"""The queue's consumer: runs each job that a message names, or that a manifest's event starts."""

import logging
from datetime import timedelta
from typing import Any, Protocol

from zipjobs import telemetry
from zipjobs.errors import TransientError, ZipJobsError
from zipjobs.jobs.messages import parse_message
from zipjobs.jobs.queue import BatchAnswer, JobQueue, retry_delay_seconds
from zipjobs.model import utc_now
from zipjobs.wiring import worker as wiring

logger = logging.getLogger("zipjobs.handlers")


class Context(Protocol):
    """The part of Lambda's context that is used."""

    def get_remaining_time_in_millis(self) -> int: ...


def handler(event: dict[str, Any], context: Context) -> BatchAnswer:
    """SQS event in; the messages that are to be tried again out.

    A job is leased until this invocation's deadline: it cannot outlive that, so whoever gets the
    message after it need not ask whether the first worker still lives.
    """
    telemetry.start_logging(context)
    zipping = wiring.zipper_dependencies()
    lease_until = utc_now() + timedelta(milliseconds=context.get_remaining_time_in_millis())
    failures = []
    for record in event["Records"]:
        telemetry.about_job(None)
        try:
            submission = parse_message(record["body"])
            telemetry.about_job(submission.job_id)
            zipping.runner.run(submission, lease_until)
        except Exception as error:  # noqa: BLE001  (a defect too must leave its message queued)
            _log(record, error)
            _retry_soon(record, error, zipping.queue)
            failures.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failures}


def _log(record: dict[str, Any], error: Exception) -> None:
    if isinstance(error, ZipJobsError):
        logger.warning("Message %s stays on the queue: %s", record["messageId"], error)
    else:
        logger.exception("Message %s met a defect", record["messageId"], exc_info=error)


def _retry_soon(record: dict[str, Any], error: Exception, queue: JobQueue) -> None:
    delay = error.retry_after_seconds if isinstance(error, TransientError) else None
    if delay is None:
        delay = retry_delay_seconds(int(record["attributes"]["ApproximateReceiveCount"]))
    try:
        queue.retry_in(record["receiptHandle"], delay)
    except ZipJobsError as problem:
        logger.warning("%s It comes back when its visibility timeout ends.", problem)
