"""The functions' log, in JSON: one object a line, with the id of the job that it is about.

Nothing here is ever given an event, a request's body or a URL.
"""

import logging
import sys
from functools import cache
from typing import TextIO

from aws_lambda_powertools import Logger
from aws_lambda_powertools.logging.utils import copy_config_to_registered_loggers

LOGGER = "zipjobs"
"""The logger above all of this package's; Powertools names it after what it calls the service."""

OTHERS = {"boto3", "botocore", "urllib3"}
"""Whose lines are written like ours, but only warnings: below, they tell what they send."""


class _Subject:
    """What lines are about, those of every thread: an invocation works on one job at a time."""

    request_id: str | None = None
    job_id: str | None = None


_subject = _Subject()


def start_logging(context: object) -> None:
    """Begin an invocation, whose Lambda context this is. Its lines are about no job yet.

    The level is INFO, or what POWERTOOLS_LOG_LEVEL or Lambda's own setting says.
    """
    _subject.request_id = getattr(context, "aws_request_id", None)
    _subject.job_id = None
    _set_up()


def about_job(job_id: str | None) -> None:
    """From now on lines are about this job, or about none."""
    _subject.job_id = job_id


@cache
def _set_up() -> None:
    logger = Logger(
        service=LOGGER,
        logger_handler=_Stdout(),
        log_record_order=["level", "timestamp", "job_id", "message"],
        utc=True,
        serialize_stacktrace=False,  # the exception stands there already
        use_rfc3339=True,  # Lambda reads a line's time and level only if the time is so
    )
    logger.append_keys(service=None, name="%(name)s")
    copy_config_to_registered_loggers(logger, include=set(OTHERS), log_level=logging.WARNING)


class _Stdout(logging.StreamHandler[TextIO]):
    """Writes to whatever is standard output at the time."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> TextIO:  # type: ignore[override]
        return sys.stdout

    def format(self, record: logging.LogRecord) -> str:
        record.job_id = _subject.job_id
        record.function_request_id = _subject.request_id
        return super().format(record)
