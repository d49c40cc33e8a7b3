"""CRC-32 of adjacent ranges."""

import zlib

from hypothesis import given
from hypothesis import strategies as st

from zipjobs.zipformat.crc32 import combine, encode


@given(st.lists(st.binary(max_size=200), max_size=10))
def test_the_crcs_of_ranges_combine_to_the_crc_of_the_whole(ranges: list[bytes]) -> None:
    combined = combine((zlib.crc32(data), len(data)) for data in ranges)
    assert combined == zlib.crc32(b"".join(ranges))


def test_a_crc_is_encoded_as_in_s3() -> None:
    assert encode(zlib.crc32(b"hello world")) == "DUoRhQ=="
