"""Bodies deflated in runs, each of which can be built again from its range of the object."""

import hashlib
import zlib
from collections.abc import Callable
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zipjobs.zipformat import deflate
from zipjobs.zipformat.deflate import KEPT_BYTES, PIECE_BYTES, PIECES_IN_RUN, Deflated, Run

RUN_BYTES = PIECES_IN_RUN * PIECE_BYTES

PIECE, KEPT = 100, 300
SMALL = patch.multiple(deflate, PIECE_BYTES=PIECE, KEPT_BYTES=KEPT)
"""Small pieces, so that a small body has many runs."""

WORDS = st.sampled_from([b"bottles ", b"of ", b"beer ", b"\0" * 50])
BODIES = st.one_of(
    st.binary(max_size=3000),
    st.lists(WORDS, max_size=400).map(b"".join),
    st.integers(0, 4 * PIECES_IN_RUN).map(lambda pieces: b"x" * pieces * PIECE),
)
FEEDING = st.lists(st.integers(1, 2500), min_size=1, max_size=8)


def pieces_of(data: bytes, sizes: list[int]) -> list[bytes]:
    """Split ``data`` into pieces of ``sizes``, which are repeated."""
    pieces: list[bytes] = []
    at = 0
    while at < len(data):
        size = sizes[len(pieces) % len(sizes)]
        pieces.append(data[at : at + size])
        at += size
    return pieces


def deflated(data: bytes, sizes: list[int]) -> Deflated:
    made = Deflated()
    for piece in pieces_of(data, sizes):
        made.feed(memoryview(piece))
    made.finish()
    return made


def runs_of(made: Deflated) -> list[Run]:
    """Return all runs in order."""
    runs, at = [], 0
    while at < made.size:
        runs.append(made.run_at(at))
        at += runs[-1].length
    assert at == made.size
    return runs


def rebuild(run: Run, data: bytes, sizes: list[int]) -> bytes:
    """Build a run from its range of the object."""
    feed = run.deflater()
    source = data[run.source_first : run.source_first + run.source_length]
    return b"".join([feed(piece) for piece in pieces_of(source, sizes)])


def inflated(stream: bytes) -> bytes:
    inflater = zlib.decompressobj(wbits=-15)
    data = inflater.decompress(stream) + inflater.flush()
    assert inflater.eof
    assert inflater.unused_data == b""
    return data


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def noise(size: int) -> bytes:
    return hashlib.shake_128(b"noise").digest(size)


def text(size: int) -> bytes:
    return b"".join(b"%d bottles of beer\n" % i for i in range(size // 16 + 1))[:size]


@given(BODIES.filter(len), FEEDING, FEEDING)
def test_the_runs_are_one_stream_of_the_body(
    body: bytes, fed: list[int], fed_again: list[int]
) -> None:
    with SMALL:
        made = deflated(body, fed)
        joined = b"".join([rebuild(run, body, fed_again) for run in runs_of(made)])
    assert len(joined) == made.size
    assert sha(inflated(joined)) == sha(body)


@given(BODIES.filter(len), FEEDING, FEEDING)
def test_a_rebuilt_run_has_the_expected_length_and_checksum(
    body: bytes, fed: list[int], fed_again: list[int]
) -> None:
    with SMALL:
        for run in runs_of(deflated(body, fed)):
            for sizes in (fed_again, [len(body)], [1]):
                rebuilt = rebuild(run, body, sizes)
                assert (len(rebuilt), zlib.crc32(rebuilt)) == (run.length, run.crc32)


@given(BODIES, FEEDING)
def test_the_runs_cover_the_object_once_and_in_order(body: bytes, fed: list[int]) -> None:
    with SMALL:
        runs = runs_of(deflated(body, fed))
    at = 0
    for run in runs:
        assert run.source_first == at
        at += run.source_length
    assert at == len(body)
    assert [run.source_length for run in runs[:-1]] == [PIECE * PIECES_IN_RUN] * (len(runs) - 1)
    assert [run.is_last for run in runs] == [False] * (len(runs) - 1) + [True]


@given(BODIES, FEEDING, FEEDING)
def test_the_sizes_of_input_chunks_do_not_matter(
    body: bytes, fed: list[int], fed_otherwise: list[int]
) -> None:
    with SMALL:
        one, other = deflated(body, fed), deflated(body, fed_otherwise)
    assert runs_of(one) == runs_of(other)
    assert (one.size, one.kept) == (other.size, other.kept)


@given(BODIES, FEEDING)
def test_a_small_stream_is_kept_completely(body: bytes, fed: list[int]) -> None:
    with SMALL:
        made = deflated(body, fed)
    if made.size > KEPT:
        assert made.kept is None
    else:
        assert made.kept is not None
        assert len(made.kept) == made.size
        assert sha(inflated(made.kept)) == sha(body)


def test_a_stream_is_kept_up_to_the_limit() -> None:
    body = noise(1000)
    size = deflated(body, [1000]).size
    for limit, is_kept in ((size, True), (size - 1, False)):
        with patch.object(deflate, "KEPT_BYTES", limit):
            assert (deflated(body, [1000]).kept is not None) is is_kept


@pytest.mark.parametrize("content", [text, noise])
@pytest.mark.parametrize(
    "size",
    [1, PIECE_BYTES - 1, PIECE_BYTES, PIECE_BYTES + 1, RUN_BYTES, RUN_BYTES + 1, 2_500_000],
)
def test_bodies_of_any_size_can_be_inflated(content: Callable[[int], bytes], size: int) -> None:
    body = content(size)
    made = deflated(body, [70_000])
    runs = runs_of(made)
    assert len(runs) == -(-size // RUN_BYTES)
    joined = b"".join([rebuild(run, body, [33_333]) for run in runs])
    assert len(joined) == made.size
    assert sha(inflated(joined)) == sha(body)
    assert (made.kept is not None) is (made.size <= KEPT_BYTES)


def test_incompressible_bodies_grow_by_less_than_a_thousandth() -> None:
    size = 2_000_000
    sizes = [deflated(content(size), [100_000]).size for content in (text, noise)]
    assert sizes[0] < 0.3 * size
    assert sizes[1] < 1.001 * size


def test_an_empty_body_is_an_empty_stream() -> None:
    made = deflated(b"", [1])
    assert made.kept is not None
    assert (made.size, inflated(made.kept)) == (len(made.kept), b"")


def test_an_offset_within_a_run_is_a_key_error() -> None:
    made = deflated(noise(RUN_BYTES + 1), [100_000])
    with pytest.raises(KeyError):
        made.run_at(1)
