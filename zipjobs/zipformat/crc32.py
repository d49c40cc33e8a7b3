"""CRC-32 (IEEE 802.3, reflected), which ZIP, zlib and S3's ``ChecksumCRC32`` share."""

import base64
from collections.abc import Iterable

from isal.isal_zlib import crc32_combine


def combine(ranges: Iterable[tuple[int, int]]) -> int:
    """Return the CRC-32 of adjacent ranges, given the CRC-32 and the length of each."""
    total = 0
    for range_crc, length in ranges:
        total = crc32_combine(total, range_crc, length)
    return total


def encode(crc32: int) -> str:
    """Return a CRC-32 in S3's form: big-endian, base64."""
    return base64.b64encode(crc32.to_bytes(4, "big")).decode()


def decode(text: str) -> int:
    """Return the CRC-32 that ``text`` encodes in S3's form."""
    return int.from_bytes(base64.b64decode(text), "big")
