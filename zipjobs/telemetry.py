"""The functions' log: one JSON object per line, with the invocation and job that it is about.

Events, request bodies and URLs are never logged.
"""

import logging
import sys
from functools import cache
from typing import TextIO

from aws_lambda_powertools import Logger
from aws_lambda_powertools.logging.formatter import LambdaPowertoolsFormatter
from aws_lambda_powertools.logging.utils import copy_config_to_registered_loggers

LOGGER = "zipjobs"
"""The parent of all loggers of this package. Powertools names a logger after its service."""

AWS_LOGGERS = {"boto3", "botocore", "urllib3"}
"""Libraries whose warnings are logged as JSON too. At lower levels they log requests."""

log_keys = LambdaPowertoolsFormatter(
    log_record_order=["level", "timestamp", "job_id", "message"],
    utc=True,
    serialize_stacktrace=False,  # the key "exception" has the traceback already
    use_rfc3339=True,  # Lambda reads a line's time and level only in this format
    name="%(name)s",
)
"""The keys of every line, whichever thread logs it: an invocation works on one job at a time.

Use ``log_keys.append_keys(job_id=…)`` and ``log_keys.append_context_keys(job_id=…)``.
"""


def start_logging(context: object) -> None:
    """Start the log of an invocation with this Lambda context, which is about no job yet.

    The level is INFO, unless POWERTOOLS_LOG_LEVEL or the function's own log level says otherwise.
    """
    _configure()
    log_keys.append_keys(job_id=None, function_request_id=getattr(context, "aws_request_id", None))


@cache
def _configure() -> None:
    logger = Logger(service=LOGGER, logger_formatter=log_keys, logger_handler=_Stdout())
    logger.append_keys(service=None)
    copy_config_to_registered_loggers(logger, include=set(AWS_LOGGERS), log_level=logging.WARNING)


class _Stdout(logging.StreamHandler[TextIO]):
    """Writes to what ``sys.stdout`` is when a line is logged."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> TextIO:  # type: ignore[override]
        return sys.stdout
