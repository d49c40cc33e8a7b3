"""The dead-letter queue's consumer: gives every job that the queue gave up on its end."""

import logging
from typing import Any

from zipjobs import telemetry
from zipjobs.jobs.messages import UnknownMessage, parse_message
from zipjobs.jobs.queue import BatchAnswer
from zipjobs.wiring import lifecycle as wiring

logger = logging.getLogger("zipjobs.handlers")


def handler(event: dict[str, Any], context: object) -> BatchAnswer:
    """SQS event in; the messages that are to be tried again out.

    A message that names no job ends here, in the log: there is no job to fail.
    """
    telemetry.start_logging(context)
    finalizer = wiring.finalizer()
    failures = []
    for record in event["Records"]:
        telemetry.about_job(None)
        try:
            submission = parse_message(record["body"])
            telemetry.about_job(submission.job_id)
            job = finalizer.fail_exhausted(submission)
            logger.warning("Job %s: %s after the queue gave up on it", job.job_id, job.status)
        except UnknownMessage:
            chars = len(record["body"])
            logger.error("Message %s names no job (%d characters)", record["messageId"], chars)
        except Exception:
            logger.exception("Message %s stays on the dead-letter queue", record["messageId"])
            failures.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failures}
