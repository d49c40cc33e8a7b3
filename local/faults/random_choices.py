"""Random numbers that depend on a seed, and not on the order in which threads ask for them."""

import hashlib
import re
from collections import Counter

_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class RandomChoices:
    """Numbers from 0 to 1 (exclusive), each a function of the seed, a subject and a counter.

    The n-th number for a subject is the same in every run, whatever other threads asked for in
    between. UUIDs in subjects are masked, because they change with every run.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._counts: Counter[str] = Counter()

    def number(self, *subject: str | int) -> float:
        """Return the next number for ``subject``."""
        name = _UUID.sub("*", repr(subject))
        self._counts[name] += 1
        text = f"{self._seed} {name} {self._counts[name]}"
        digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
        return int.from_bytes(digest) / 2**64
