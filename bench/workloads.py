"""The workloads: sets of object sizes."""

import random

KB, MB = 1000, 1_000_000

_race = random.Random(3)  # noqa: S311  (sample data)

WORKLOADS: dict[str, list[int]] = {
    "a": [100 * KB] * 500,
    "b": [20 * KB] * 2000,
    "c": [20 * MB] * 20,
    "d": [1000 * MB],
    "e": [200 * KB] * 300 + [5 * MB] * 38 + [100 * MB] * 5,
    "r": [max(0, round(_race.gauss(5 * MB, 1 * MB))) for _ in range(3000)],
    "s": [1 * MB] * 100,
    "m": [10 * MB] * 100,
    "l": [10 * MB] * 1000,
    "x": [1000 * MB] * 10,
}

COMPARED = "abcde"
"""The workloads that measure every system."""

MEMORY = "smlx"
"""The workloads that measure the memory of our engine only: 100 MB, 1 GB, and 10 GB twice."""

WORKLOAD_NAMES = {
    "a": "500 x 100 KB",
    "b": "2,000 x 20 KB",
    "c": "20 x 20 MB",
    "d": "1 x 1 GB",
    "e": "300 x 200 KB + 38 x 5 MB + 5 x 100 MB",
    "r": "3,000 x N(5 MB, 1 MB)",
    "s": "100 x 1 MB",
    "m": "100 x 10 MB",
    "l": "1,000 x 10 MB",
    "x": "10 x 1 GB",
}


def key(index: int) -> str:
    """Return the key of the object number ``index``."""
    return f"documents/{index:06}.pdf"
