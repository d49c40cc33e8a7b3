"""The retry policy of S3 requests: attempts, and the pauses between them."""

import random

ATTEMPTS = 10
"""As AWS recommends for S3 ("How do I troubleshoot a HTTP 500 or 503 error from Amazon S3?")."""

FIRST_PAUSE_SECONDS = 0.1

MAX_PAUSE_SECONDS = 5.0
"""All pauses together take 21 seconds on average."""


def pause_seconds(attempt: int) -> float:
    """Return the pause after attempt 1, 2, …: exponential backoff with 50 % jitter."""
    pause = min(FIRST_PAUSE_SECONDS * (1 << (attempt - 1)), MAX_PAUSE_SECONDS)
    return pause * (0.5 + random.random())  # noqa: S311
