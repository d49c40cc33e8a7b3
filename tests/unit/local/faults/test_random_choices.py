"""RandomChoices: told by the seed and by what they are for, whoever draws first."""

import threading
import uuid
from collections import defaultdict

from local.faults.random_choices import RandomChoices


def test_a_thing_gets_the_same_numbers_in_every_run_whatever_else_is_drawn() -> None:
    alone, among = RandomChoices(1), RandomChoices(1)
    expected = [alone.number("GetObject", "a") for _ in range(20)]
    found = []
    for _ in range(20):
        among.number("GetObject", "b")
        found.append(among.number("GetObject", "a"))
    assert found == expected
    assert len(set(found)) == 20


def test_threads_draw_the_same_numbers_in_any_order() -> None:
    def run() -> dict[str, set[float]]:
        draws, lock, found = RandomChoices(7), threading.Lock(), defaultdict(set)

        def draw(key: str) -> None:
            for _ in range(50):
                with lock:
                    found[key].add(draws.number(0, "GetObject", key))

        threads = [threading.Thread(target=draw, args=(key,)) for key in "abcd"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return found

    assert run() == run()


def test_names_that_differ_in_their_uuids_alone_are_one_thing() -> None:
    first, second = RandomChoices(1), RandomChoices(1)
    assert [first.number(f"zips/{uuid.uuid4()}.zip") for _ in range(5)] == [
        second.number(f"zips/{uuid.uuid4()}.zip") for _ in range(5)
    ]


def test_another_seed_draws_other_numbers() -> None:
    assert RandomChoices(1).number("a") != RandomChoices(2).number("a")


def test_the_numbers_are_spread_evenly() -> None:
    draws = RandomChoices(3)
    numbers = [draws.number("a") for _ in range(10_000)]
    assert 0 <= min(numbers) < 0.01
    assert 0.99 < max(numbers) < 1
    assert 0.48 < sum(numbers) / len(numbers) < 0.52
