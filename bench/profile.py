"""How the stand-in behaves: latencies and rates, and the workloads that are put on it."""

import random
from dataclasses import dataclass

KB, MB = 1000, 1_000_000


@dataclass(frozen=True)
class Profile:
    """Latencies in seconds, rates in bytes per second. 0 means no limit."""

    get_seconds: float = 0.025
    put_seconds: float = 0.025
    connection_rate: float = 80 * MB
    copy_seconds: float = 0.050
    copy_rate: float = 200 * MB
    network_rate: float = 0.0
    slow_down_share: float = 0.0


PROFILES = {
    "default": Profile(),
    "lambda": Profile(network_rate=75 * MB),
    "slow": Profile(
        get_seconds=0.060,
        put_seconds=0.200,
        connection_rate=50 * MB,
        copy_seconds=0.200,
        copy_rate=100 * MB,
    ),
    "slowdown": Profile(slow_down_share=0.02),
}

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
"""What every system is measured on."""

MEMORY = "smlx"
"""What only the engine's memory is measured on: 100 MB, 1 GB, and 10 GB in two ways."""

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
    """The key of a workload's object number ``index``."""
    return f"documents/{index:06}.pdf"
