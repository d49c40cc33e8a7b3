"""``GET /zip-jobs/{jobId}``: returns a job, with new download links if it is READY.

``GET /zip-jobs``: lists jobs, newest first.
"""

from typing import Any

from zipjobs import telemetry
from zipjobs.api.show import app
from zipjobs.wiring import api as wiring


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Handle an HTTP API event (payload format 2.0) and return the response."""
    telemetry.start_logging(context)
    return app.handle(event, context, wiring.status_dependencies)
