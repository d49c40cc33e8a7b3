"""``DELETE /zip-jobs/{jobId}``: cancels a job that has no final status yet."""

from typing import Any

from zipjobs import telemetry
from zipjobs.api.cancel import app
from zipjobs.wiring import lifecycle as wiring


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Handle an HTTP API event (payload format 2.0) and return the response."""
    telemetry.start_logging(context)
    return app.handle(event, context, wiring.cancel_dependencies)
