"""The state of the S3 simulator: synthetic objects, multipart uploads and counters."""

import hashlib
import random
import time
from collections import Counter
from dataclasses import dataclass, field

from bench.s3_simulator import content
from bench.s3_simulator.profiles import Profile
from bench.workloads import key

MIB = 1 << 20


@dataclass
class Stored:
    """An object: a range of the synthetic content, or the parts of an upload."""

    size: int
    etag: str
    position: int = 0
    parts: list[bytes] | None = None


@dataclass
class UploadedPart:
    """A part. ``data`` is None unless the simulator keeps uploaded parts."""

    crc: int
    size: int
    data: bytes | None


@dataclass
class State:
    """Objects, uploads and counters. ``keep`` makes the simulator keep uploaded parts."""

    profile: Profile
    keep: bool = False
    objects: dict[str, Stored] = field(default_factory=dict)
    uploads: dict[str, dict[int, UploadedPart]] = field(default_factory=dict)
    requests: Counter[str] = field(default_factory=Counter)
    bytes_in: int = 0
    bytes_out: int = 0
    bytes_copied: int = 0
    chance: random.Random = field(default_factory=lambda: random.Random(1))  # noqa: S311
    free_at: dict[str, float] = field(default_factory=lambda: {"in": 0.0, "out": 0.0})

    def load(self, workload: str, sizes: list[int]) -> None:
        """Replace the source objects with those of a workload."""
        self.objects = {}
        for index, size in enumerate(sizes):
            name = f"src/{key(index)}"
            digest = hashlib.sha256(f"{workload}{index}{size}".encode()).hexdigest()[:32]
            self.objects[name] = Stored(size, f'"{digest}"', position=index * 7919)
        self.uploads = {}
        self.reset()

    def reset(self) -> None:
        """Reset the counters."""
        self.requests = Counter()
        self.bytes_in = self.bytes_out = self.bytes_copied = 0

    def network_delay(self, direction: str, size: int) -> float:
        """Return how long ``size`` bytes wait for the network that all connections share."""
        if not self.profile.network_rate:
            return 0.0
        now = time.monotonic()
        start = max(now, self.free_at[direction])
        self.free_at[direction] = start + size / self.profile.network_rate
        return self.free_at[direction] - now


def contents_of(stored: Stored, first: int, length: int) -> bytes:
    """Return ``length`` bytes of an object from ``first`` on."""
    if stored.parts is None:
        return content.read(stored.position + first, length)
    pieces, offset = [], 0
    for part in stored.parts:
        if offset < first + length and offset + len(part) > first:
            start = max(0, first - offset)
            pieces.append(part[start : start + first + length - max(first, offset)])
        offset += len(part)
    return b"".join(pieces)[:length]
