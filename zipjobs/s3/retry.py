"""The retry policy: how many attempts each operation has, and the pauses between them."""

import random
import time

ATTEMPTS = 10
"""Attempts of a read or part upload, as AWS recommends for S3 ("How do I troubleshoot a HTTP 500 or
503 error from Amazon S3?").
"""

TOTAL_SECONDS = 240.0
"""No attempt of a read or part upload starts later than this after the last progress. The function
has 15 minutes, and other objects need the rest.
"""

COPY_ATTEMPTS = 3
"""Attempts to copy a range. botocore makes four requests in each."""

COPY_PAUSES_BEFORE = 4
"""The pauses between copies continue the backoff of botocore, which has paused this often."""

LIST_READ_ATTEMPTS = 3
"""Attempts to read a range of a list. botocore does not retry once the body has started."""

STATUS_OBJECT_ATTEMPTS = 3
"""Attempts to replace a status object. One fails only if another job replaces it concurrently."""

BATCH_GET_ATTEMPTS = 5
"""Attempts to read all items of a DynamoDB batch. The pauses take 1.5 s of the API's 30 s."""

MAX_CHECKS = 6
"""Checks by the reconciler before it fails a stuck job. The time between checks doubles."""

FIRST_PAUSE_SECONDS = 0.1

MAX_PAUSE_SECONDS = 5.0
"""All pauses together take 21 seconds on average."""


def pause_seconds(attempt: int) -> float:
    """Return the pause after attempt 1, 2, …: exponential backoff with 50 % jitter."""
    pause = min(FIRST_PAUSE_SECONDS * (1 << (attempt - 1)), MAX_PAUSE_SECONDS)
    return pause * (0.5 + random.random())  # noqa: S311


class Attempts:
    """The attempts of one request that is not sent by boto3."""

    def __init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """Count again from the first attempt, after progress."""
        self._count = 1
        self._until = time.monotonic() + TOTAL_SECONDS

    def next_pause(self) -> float | None:
        """Return the seconds to wait before the next attempt, or None after the last one."""
        if self._count >= ATTEMPTS or time.monotonic() > self._until:
            return None
        self._count += 1
        return pause_seconds(self._count - 1)
