"""Bodies of source objects that the crash tests and the model share."""

import random
from pathlib import PurePosixPath

from zipjobs.archive.part_sizing import MIN_PART_BYTES
from zipjobs.archive.segment import sized
from zipjobs.s3.source import Entry, Source


def body_filling_one_part(key: str) -> bytes:
    """Return a body that, with its local header, has the size of S3's smallest part."""
    entry = Entry(PurePosixPath(key).name, Source("", key), MIN_PART_BYTES)
    return random.Random(key).randbytes(MIN_PART_BYTES - sized(entry).header_bytes)
