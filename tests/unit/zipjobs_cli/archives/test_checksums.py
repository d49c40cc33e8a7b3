"""A file that computes its CRC-32 while it is read."""

import io
import random
import zlib
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from tests.support.examples import examples
from zipjobs_cli.archives.checksums import PIECE_BYTES, ChecksumFile

CONTENT = random.Random(1).randbytes(3 * PIECE_BYTES + 17)


@examples(40)
@given(
    reads=st.lists(
        st.tuples(st.integers(0, len(CONTENT) + 9), st.integers(0, 2 * PIECE_BYTES)), max_size=8
    ),
    buffer_bytes=st.sampled_from([512, PIECE_BYTES]),
)
def test_each_byte_counts_once_in_any_order_of_reads(
    tmp_path: Path, reads: list[tuple[int, int]], buffer_bytes: int
) -> None:
    path = tmp_path / "file"
    if not path.exists():
        path.write_bytes(CONTENT)
    progress: list[int] = []
    with ChecksumFile(path, progress.append) as raw, io.BufferedReader(raw, buffer_bytes) as file:
        file.seek(-5, io.SEEK_END)
        assert file.read() == CONTENT[-5:]
        raw.is_summing = True
        for at, size in reads:
            file.seek(at)
            assert file.read(size) == CONTENT[at : at + size]
        raw.finish()
        assert (raw.summed_bytes, raw.crc32) == (len(CONTENT), zlib.crc32(CONTENT))
    assert progress == sorted(set(progress))
    assert progress[-1] == len(CONTENT)
