"""CRC-32 (IEEE 802.3, reflected): the one that ZIP, zlib and S3's ``ChecksumCRC32`` share."""

import base64
from collections.abc import Iterable

from isal.isal_zlib import crc32_combine


def combine(ranges: Iterable[tuple[int, int]]) -> int:
    """The CRC-32 of adjacent ranges, given each one's CRC-32 and length, without their bytes."""
    total = 0
    for range_crc, length in ranges:
        total = crc32_combine(total, range_crc, length)
    return total


def encode(crc32: int) -> str:
    """A CRC-32 as S3 writes it: big-endian, base64."""
    return base64.b64encode(crc32.to_bytes(4, "big")).decode()


def decode(text: str) -> int:
    """The CRC-32 that S3 wrote as ``text``."""
    return int.from_bytes(base64.b64decode(text), "big")
