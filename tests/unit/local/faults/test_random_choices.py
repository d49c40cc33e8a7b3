"""Random numbers depend on seed and subject, not on order."""

import threading
import uuid
from collections import defaultdict

from local.faults.random_choices import RandomChoices


def test_numbers_do_not_depend_on_other_subjects() -> None:
    alone, among = RandomChoices(1), RandomChoices(1)
    expected = [alone.number("GetObject", "a") for _ in range(20)]
    found = []
    for _ in range(20):
        among.number("GetObject", "b")
        found.append(among.number("GetObject", "a"))
    assert found == expected
    assert len(set(found)) == 20


def test_numbers_do_not_depend_on_thread_order() -> None:
    def run() -> dict[str, set[float]]:
        choices, lock, found = RandomChoices(7), threading.Lock(), defaultdict(set)

        def draw(key: str) -> None:
            for _ in range(50):
                with lock:
                    found[key].add(choices.number(0, "GetObject", key))

        threads = [threading.Thread(target=draw, args=(key,)) for key in "abcd"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return found

    assert run() == run()


def test_subjects_that_differ_in_uuids_are_equal() -> None:
    first, second = RandomChoices(1), RandomChoices(1)
    assert [first.number(f"zips/{uuid.uuid4()}.zip") for _ in range(5)] == [
        second.number(f"zips/{uuid.uuid4()}.zip") for _ in range(5)
    ]


def test_numbers_are_evenly_distributed() -> None:
    choices = RandomChoices(3)
    numbers = [choices.number("a") for _ in range(10_000)]
    assert 0 <= min(numbers) < 0.01
    assert 0.99 < max(numbers) < 1
    assert 0.48 < sum(numbers) / len(numbers) < 0.52
