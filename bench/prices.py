"""What AWS asks for, in us-east-1, in November 2026."""

from collections.abc import Mapping

PER_REQUEST = {
    "GET": 0.0004 / 1000,
    "HEAD": 0.0004 / 1000,
    "PUT": 0.005 / 1000,
    "CREATE": 0.005 / 1000,
    "UPLOAD_PART": 0.005 / 1000,
    "COPY_PART": 0.005 / 1000,
    "COMPLETE": 0.005 / 1000,
    "ABORT": 0.0,
}
"""Dollars per request: "Amazon S3 pricing", S3 Standard."""

PER_GB_SECOND = 0.0000133334
"""Dollars per GB-second of Lambda on arm64: "AWS Lambda pricing"."""

FUNCTION_GB = 0.5


def dollars(requests: Mapping[str, int], wall_seconds: float) -> float:
    """What a job costs: its requests, and a function of 512 MB for as long as it takes."""
    asked = sum(PER_REQUEST[kind] * count for kind, count in requests.items())
    return round(asked + PER_GB_SECOND * FUNCTION_GB * wall_seconds, 7)
