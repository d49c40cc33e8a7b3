"""Draws numbers by a seed, whatever the order in which threads ask for them."""

import hashlib
import re
from collections import Counter

_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Draws:
    """Numbers from 0 to 1 (exclusive), each told by the seed and by what it is drawn for.

    The n-th draw for a thing is the same in every run; what other threads drew in between does not
    matter. UUIDs in a thing's names are masked, because they are others in every run.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._drawn: Counter[str] = Counter()

    def draw(self, *thing: str | int) -> float:
        """The next number for ``thing``."""
        name = _UUID.sub("*", repr(thing))
        self._drawn[name] += 1
        text = f"{self._seed} {name} {self._drawn[name]}"
        digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
        return int.from_bytes(digest) / 2**64
