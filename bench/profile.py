"""How the stand-in behaves: latencies and rates, and the workloads that are put on it."""

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

WORKLOADS: dict[str, list[int]] = {
    "a": [100 * KB] * 500,
    "b": [20 * KB] * 2000,
    "c": [20 * MB] * 20,
    "d": [1000 * MB],
    "e": [200 * KB] * 300 + [5 * MB] * 38 + [100 * MB] * 5,
}

WORKLOAD_NAMES = {
    "a": "500 x 100 KB",
    "b": "2,000 x 20 KB",
    "c": "20 x 20 MB",
    "d": "1 x 1 GB",
    "e": "300 x 200 KB + 38 x 5 MB + 5 x 100 MB",
}


def key(index: int) -> str:
    """The key of a workload's object number ``index``."""
    return f"documents/{index:06}.pdf"
