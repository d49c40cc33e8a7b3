"""``POST /zip-jobs``: validates a request, sends it to the job queue, and returns 202.

A repeated request with the same ``Idempotency-Key`` returns the same job.
"""

from typing import Any

from zipjobs import telemetry
from zipjobs.api.submit import app
from zipjobs.wiring import api as wiring


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Handle an HTTP API event (payload format 2.0) and return the response."""
    telemetry.start_logging(context)
    return app.handle(event, context, wiring.enqueue_dependencies)
