"""Runs on a schedule: brings jobs that were lost on the way to an end."""

import logging
from dataclasses import asdict
from typing import Any, Protocol

from zipjobs import telemetry
from zipjobs.wiring import lifecycle as wiring

logger = logging.getLogger("zipjobs.handlers")

SPARE_MILLISECONDS = 10_000
"""What the last job may take. The rest is for the next run."""


class Context(Protocol):
    """The part of Lambda's context that is used."""

    def get_remaining_time_in_millis(self) -> int: ...


def handler(event: dict[str, Any], context: Context) -> dict[str, int]:
    """EventBridge's scheduled event in; how many jobs met with what out."""
    telemetry.start_logging(context)
    swept = wiring.reconciler().reconcile(
        lambda: context.get_remaining_time_in_millis() > SPARE_MILLISECONDS
    )
    logger.info("Reconciliation: %s", swept)
    return asdict(swept)
