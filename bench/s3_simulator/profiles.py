"""Latencies and transfer rates of the S3 simulator."""

from dataclasses import dataclass

from bench.workloads import MB


@dataclass(frozen=True)
class Profile:
    """Latencies in seconds, rates in bytes per second. A ``network_rate`` of 0 means no limit."""

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
