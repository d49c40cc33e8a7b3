"""What AWS asks for, in us-east-1, by kind of request: from ``zipjobs/worker/prices.json``."""

from collections.abc import Mapping

from infra.monitoring.prices import (
    PER_EVENT,
    PER_GB_SECOND,
    PER_GET,
    PER_INVOCATION,
    PER_PUT,
    PER_READ_UNIT,
    PER_SQS_REQUEST,
    PER_WRITE_UNIT,
)

PER_REQUEST = {
    "GET": PER_GET,
    "HEAD": PER_GET,
    "PUT": PER_PUT,
    "CREATE": PER_PUT,
    "UPLOAD_PART": PER_PUT,
    "COPY_PART": PER_PUT,
    "COMPLETE": PER_PUT,
    "ABORT": 0.0,
}
"""Dollars per request to S3 Standard."""

PRICES = {
    **PER_REQUEST,
    "LIST": PER_PUT,
    "DELETE": 0.0,
    "SQS": PER_SQS_REQUEST,
    "EVENT": PER_EVENT,
    "INVOKE": PER_INVOCATION,
    "WRITE": 2 * PER_WRITE_UNIT,
    "READ": PER_READ_UNIT,
}
"""Dollars per request of any kind. DynamoDB's: a WRITE of up to 2 KB, a consistent READ of up to
4."""

FUNCTION_GB = 0.5


def dollars(requests: Mapping[str, int], wall_seconds: float) -> float:
    """What a job costs: its requests, and a function of 512 MB for as long as it takes."""
    asked = sum(PER_REQUEST[kind] * count for kind, count in requests.items())
    return round(asked + PER_GB_SECOND * FUNCTION_GB * wall_seconds, 7)
