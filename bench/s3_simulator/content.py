"""Synthetic content of any size: a repeated pattern, whose CRC-32 is calculated without reading."""

import random
from functools import lru_cache

from isal.isal_zlib import crc32, crc32_combine

PATTERN_BYTES = 1 << 20
_PATTERN = random.Random(7).randbytes(PATTERN_BYTES)  # noqa: S311  (sample data)
_TWICE = memoryview(_PATTERN * 2)


def chunk(position: int, limit: int) -> memoryview:
    """Return up to ``limit`` bytes of the content from ``position`` on."""
    start = position % PATTERN_BYTES
    return _TWICE[start : start + min(limit, PATTERN_BYTES)]


def read(position: int, length: int) -> bytes:
    """Return ``length`` bytes of the content from ``position`` on."""
    parts = []
    while length:
        part = chunk(position, length)
        parts.append(part)
        position += len(part)
        length -= len(part)
    return b"".join(parts)


@lru_cache(maxsize=4096)
def checksum(position: int, length: int) -> int:
    """Return the CRC-32 of a range of the content, in logarithmic time."""
    start = position % PATTERN_BYTES
    head = min(length, PATTERN_BYTES)
    total: int = crc32(_TWICE[start : start + head])
    whole, rest = divmod(length, PATTERN_BYTES)
    if whole:
        total = _repeated(total, whole)
    if rest and whole:
        total = crc32_combine(total, crc32(_TWICE[start : start + rest]), rest)
    return total


def _repeated(one: int, times: int) -> int:
    """Return the CRC-32 of ``times`` repetitions of the pattern, by doubling."""
    total, size = 0, PATTERN_BYTES
    while times:
        if times & 1:
            total = crc32_combine(total, one, size) if total else one
        one = crc32_combine(one, one, size)
        size *= 2
        times >>= 1
    return total
