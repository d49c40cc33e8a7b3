"""Finds stuck jobs on a schedule, and sends their messages again or fails them."""

import logging
from dataclasses import asdict
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from zipjobs import telemetry
from zipjobs.wiring import lifecycle as wiring

logger = logging.getLogger("zipjobs.handlers")

RESERVED_MILLISECONDS = 10_000
"""Time kept for the last job. Jobs that are left are checked by the next run."""


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, int]:
    """Check the jobs that are due. Return how many had which result."""
    telemetry.start_logging(context)
    result = wiring.reconciler().reconcile(
        lambda: context.get_remaining_time_in_millis() > RESERVED_MILLISECONDS
    )
    logger.info("Reconciliation: %s", result)
    return asdict(result)
