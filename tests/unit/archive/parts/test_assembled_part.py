"""Parts in blocks of memory, which are filled in any order and sent in the right one."""

import hashlib
import threading
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from random import Random
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zipjobs.archive.parts import assembled_part, blocks
from zipjobs.archive.parts.assembled_part import KEPT_PART_BYTES, AssembledPart, Stopped
from zipjobs.archive.parts.blocks import BlockPool, Slot, crc_of
from zipjobs.s3.part_upload import BLOCK_BYTES

BLOCK, KEPT = 16, 64


@contextmanager
def small_sizes() -> Iterator[None]:
    """Reduce the sizes of blocks and parts to a few bytes."""
    with (
        patch.object(blocks, "BLOCK_BYTES", BLOCK),
        patch.object(assembled_part, "KEPT_PART_BYTES", KEPT),
    ):
        yield


PIECES = st.lists(st.integers(1, 3 * BLOCK), min_size=1, max_size=12)


def noise(size: int) -> bytes:
    return hashlib.shake_128(b"noise").digest(size)


def slots_for(part: AssembledPart, pieces: list[int]) -> list[Slot]:
    """Reserve the slots for pieces of these sizes."""
    slots = []
    for piece in pieces:
        left = piece
        while left:
            slot = part.reserve(left)
            assert slot is not None
            slots.append(slot)
            left -= len(slot.view)
    return slots


def fill(slot: Slot, data: bytes) -> None:
    slot.view[:] = data
    slot.mark_filled()


def cut(data: bytes, slots: list[Slot]) -> list[bytes]:
    """Return the data of each slot."""
    pieces, at = [], 0
    for slot in slots:
        pieces.append(data[at : at + len(slot.view)])
        at += len(slot.view)
    return pieces


def blocks_left(pool: BlockPool) -> int:
    """Return the number of free blocks."""
    lent = []
    while (memory := pool.lend()) is not None:
        lent.append(memory)
    for memory in lent:
        pool.give_back(memory)
    return len(lent)


# Memory


def test_the_pool_lends_as_many_blocks_as_fit_into_the_limit() -> None:
    pool = BlockPool(3 * BLOCK_BYTES + 1)
    lent = [pool.lend() for _ in range(4)]
    assert [memory is not None and len(memory) for memory in lent] == [BLOCK_BYTES] * 3 + [False]


def test_a_returned_block_is_lent_again() -> None:
    pool = BlockPool(BLOCK_BYTES)
    memory = pool.lend()
    assert memory is not None
    assert pool.lend() is None
    pool.give_back(memory)
    assert pool.lend() is memory


def test_a_released_block_is_replaced_by_a_new_one() -> None:
    pool = BlockPool(BLOCK_BYTES)
    memory = pool.lend()
    assert memory is not None
    pool.release(memory)
    other = pool.lend()
    assert other is not None
    memory[:5] = b"later"
    assert bytes(other[:5]) == bytes(5)


# Order


@given(PIECES, st.randoms(use_true_random=False))
def test_slots_filled_in_any_order_give_the_blocks_in_order(
    pieces: list[int], shuffled: Random
) -> None:
    with small_sizes():
        pool = BlockPool(10_000)
        part = AssembledPart(1, pool)
        data = noise(sum(pieces))
        slots = slots_for(part, pieces)
        assert sum(len(slot.view) for slot in slots) == len(data)
        filling = list(zip(slots, cut(data, slots), strict=True))
        part.length = len(data)
        part.end()
        shuffled.shuffle(filling)
        for slot, piece in filling:
            fill(slot, piece)
        blocks = list(part.chunks())
    assert b"".join(bytes(block.memory[: block.filled]) for block in blocks) == data
    assert [block.filled for block in blocks[:-1]] == [BLOCK] * (len(blocks) - 1)


@given(PIECES)
def test_a_part_needs_as_many_blocks_as_its_bytes(pieces: list[int]) -> None:
    with small_sizes():
        pool = BlockPool(10_000)
        before = blocks_left(pool)
        slots_for(AssembledPart(1, pool), pieces)
        assert before - blocks_left(pool) == -(-sum(pieces) // BLOCK)


@given(st.lists(st.booleans(), min_size=2, max_size=20))
def test_a_block_is_ready_when_all_blocks_up_to_it_are_full(order: list[bool]) -> None:
    """Blocks are filled from both ends. The last ones wait for the first ones."""
    with small_sizes():
        part = AssembledPart(1, BlockPool(10_000))
        slots = slots_for(part, [BLOCK] * len(order))
        part.length = BLOCK * len(order)
        part.end()
        chunks = part.chunks()
        todo = list(enumerate(slots))
        full: set[int] = set()
        received = 0
        for is_first in order:
            number, slot = todo.pop(0 if is_first else -1)
            fill(slot, bytes([number]) * BLOCK)
            full.add(number)
            while received in full:
                assert part._ready.qsize() > 0
                assert bytes(next(chunks).memory[:1]) == bytes([received])
                received += 1
            assert part._ready.empty()
        assert received == len(order)


def test_a_slot_can_be_reserved_again_after_a_block_is_returned() -> None:
    with small_sizes():
        pool = BlockPool(2 * BLOCK)
        waiting, other = AssembledPart(1, pool), AssembledPart(2, pool)
        assert other.reserve(1) is not None
        slots = slots_for(waiting, [BLOCK - 1])
        last = waiting.reserve(100)
        assert last is not None
        assert len(last.view) == 1  # the rest of the block
        assert waiting.reserve(1) is None
        for slot in (*slots, last):
            fill(slot, bytes(len(slot.view)))
        waiting.length = 2 * BLOCK
        pool.give_back(next(waiting.chunks()).memory)
        assert waiting.reserve(1) is not None


def test_a_part_can_be_sent_while_other_threads_fill_it() -> None:
    pool, size = BlockPool(20 * BLOCK_BYTES), 7 * BLOCK_BYTES + 5
    part, data = AssembledPart(1, pool, size), noise(size)
    slots = slots_for(part, [BLOCK_BYTES // 3] * 21 + [size - 21 * (BLOCK_BYTES // 3)])
    part.end()
    lock = threading.Lock()

    def write(slot: Slot, piece: bytes) -> None:
        slot.view[:] = piece
        with lock:
            slot.mark_filled()

    def send() -> str:
        sent = hashlib.sha256()
        for block in part.chunks():
            sent.update(block.memory[: block.filled])
        return sent.hexdigest()

    with ThreadPoolExecutor(4) as threads:
        sent = threads.submit(send)
        list(threads.map(write, reversed(slots), reversed(cut(data, slots))))
        assert sent.result(20) == hashlib.sha256(data).hexdigest()


def test_the_crc_of_slots_is_the_crc_of_their_bytes() -> None:
    with small_sizes():
        slots = slots_for(AssembledPart(1, BlockPool(1000)), [5, 40, 7])
        data = noise(52)
        for slot, piece in zip(slots, cut(data, slots), strict=True):
            fill(slot, piece)
        assert crc_of(slots) == zlib.crc32(data)


# Start


@pytest.fixture
def small() -> Iterator[None]:
    with small_sizes():
        yield


@pytest.mark.usefixtures("small")
def test_a_short_part_starts_when_it_is_complete() -> None:
    part = AssembledPart(1, BlockPool(1000), KEPT)
    assert part.is_kept
    slots = slots_for(part, [BLOCK] * 4)
    part.end()
    for slot in slots:
        assert not part.can_start
        fill(slot, bytes(BLOCK))
    assert part.can_start


@pytest.mark.usefixtures("small")
def test_a_long_part_starts_when_its_first_block_is_full() -> None:
    part = AssembledPart(1, BlockPool(1000))
    first, second = slots_for(part, [BLOCK] * 2)
    fill(second, bytes(BLOCK))
    part.length = KEPT + 1
    assert not part.is_kept
    assert not part.can_start
    fill(first, bytes(BLOCK))
    assert part.can_start


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("blocks", [2, 6])
def test_a_part_does_not_start_before_its_length_is_known(blocks: int) -> None:
    part = AssembledPart(1, BlockPool(1000))
    for slot in slots_for(part, [BLOCK] * blocks):
        fill(slot, bytes(BLOCK))
    assert not part.can_start
    part.length = blocks * BLOCK
    assert part.can_start


@pytest.mark.usefixtures("small")
def test_a_part_starts_once() -> None:
    part = AssembledPart(1, BlockPool(1000), 5)
    (slot,) = slots_for(part, [5])
    part.end()
    fill(slot, b"hello")
    assert part.can_start
    part.is_started = True
    assert not part.can_start


@pytest.mark.parametrize("length", [1, BLOCK_BYTES, KEPT_PART_BYTES, KEPT_PART_BYTES + 1])
def test_short_parts_are_kept_for_retries(length: int) -> None:
    assert AssembledPart(1, BlockPool(0), length).is_kept is (length <= KEPT_PART_BYTES)


# Stop


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("filled", range(7))
def test_an_abandoned_part_returns_its_memory(filled: int) -> None:
    pool = BlockPool(10 * BLOCK)
    part = AssembledPart(1, pool, 6 * BLOCK + 3)
    slots = slots_for(part, [BLOCK] * 6 + [3])
    for slot in slots[:filled]:
        fill(slot, bytes(len(slot.view)))
    assert blocks_left(pool) == 3
    part.stop()
    part.abandon()
    assert blocks_left(pool) == 10


@pytest.mark.usefixtures("small")
def test_memory_with_open_slots_is_not_lent_again() -> None:
    pool = BlockPool(2 * BLOCK)
    part = AssembledPart(1, pool)
    late, _ = slots_for(part, [BLOCK] * 2)
    part.abandon()
    lent = [pool.lend(), pool.lend()]
    late.view[:] = b"x" * BLOCK
    assert [memory is not None and bytes(memory) for memory in lent] == [bytes(BLOCK)] * 2


@pytest.mark.usefixtures("small")
def test_stopping_a_part_ends_the_wait_for_its_blocks() -> None:
    part = AssembledPart(1, BlockPool(1000), 10 * BLOCK)
    first, _ = slots_for(part, [BLOCK] * 2)
    fill(first, bytes(BLOCK))
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(lambda: [block.filled for block in part.chunks()])
        part.stop()
        with pytest.raises(Stopped):
            waiting.result(20)
