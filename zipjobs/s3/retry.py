"""How often something is asked of S3 before it counts as unavailable, and the pauses between."""

import random

ATTEMPTS = 10
"""As AWS recommends for S3 ("How do I troubleshoot a HTTP 500 or 503 error from Amazon S3?")."""

FIRST_PAUSE_SECONDS = 0.1

MOST_PAUSE_SECONDS = 5.0
"""So all pauses together take 21 seconds, give or take a half."""


def pause_seconds(attempt: int) -> float:
    """How long to wait after attempt 1, 2, …: twice as long each time, up to a limit.

    Half as much more or less by chance, so that what failed together does not come back together.
    """
    pause = min(FIRST_PAUSE_SECONDS * (1 << (attempt - 1)), MOST_PAUSE_SECONDS)
    return pause * (0.5 + random.random())  # noqa: S311
