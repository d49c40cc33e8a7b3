"""``POST /zip-jobs``: checks a request, puts it on the queue, answers 202.

With an ``Idempotency-Key``, the same request again is the same job.
"""

from typing import Any

from zipjobs import telemetry
from zipjobs.api.submit import app
from zipjobs.wiring import api as wiring


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """API Gateway HTTP API event, payload format 2.0, in; its answer out."""
    telemetry.start_logging(context)
    return app.handle(event, context, wiring.enqueue_dependencies)
