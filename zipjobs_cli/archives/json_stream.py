"""Reads JSON that is longer than memory: a value at a time, whatever its layout."""

import json
import re
from collections.abc import Iterator
from typing import IO, Any

PIECE_CHARS = 1 << 16

MAX_VALUE_CHARS = 1 << 20
"""Of a value that is handed out whole; an entry of a receipt has 12,000 at the most."""

LONGEST_DOUBT = 4
"""A number may go on: "1" and "e+5" are one, of which "1e+" looks like "1" and something else."""

_SPACE = re.compile(r"[ \t\n\r]*")
_decode = json.JSONDecoder().raw_decode


def walk(text: IO[str]) -> Iterator[tuple[str, Any]]:
    """Yield what stands in the JSON object ``text``: each key with its value, or, where that is an
    array, once with each of its elements.

    Raises ValueError, which tells the line, where it is not JSON, not an object, or has a value of
    more than ``MAX_VALUE_CHARS``; and RecursionError.
    """
    scanner = _Scanner(text)
    scanner.take("{")
    more = scanner.peek() != "}"
    while more:
        key = scanner.key()
        scanner.take(":")
        if scanner.peek() == "[":
            for element in _elements(scanner):
                yield key, element
        else:
            yield key, scanner.value()
        more = scanner.takes(",")
    scanner.take("}")
    scanner.take("")


def _elements(scanner: "_Scanner") -> Iterator[Any]:
    scanner.take("[")
    more = scanner.peek() != "]"
    while more:
        yield scanner.value()
        more = scanner.takes(",")
    scanner.take("]")


class _Scanner:
    """A place in a text, of which it holds a piece."""

    def __init__(self, text: IO[str]) -> None:
        self._text = text
        self._held = ""
        self._at = 0
        self._lines_gone = 0

    def peek(self) -> str:
        """The next character that is not space; none at the end."""
        while True:
            match = _SPACE.match(self._held, self._at)
            assert match is not None  # the pattern matches nothing, too
            self._at = match.end()
            if self._at < len(self._held) or not self._fill():
                return self._held[self._at : self._at + 1]

    def takes(self, character: str) -> bool:
        """Whether ``character`` comes next; if so, go on behind it."""
        is_next = self.peek() == character
        self._at += is_next
        return is_next

    def take(self, character: str) -> None:
        """Go on behind ``character``, which must come next; "" is the end."""
        if not self.takes(character):
            found = repr(self.peek()) if self.peek() else "the end"
            wanted = repr(character) if character else "the end"
            raise self._wrong(f"{wanted} was expected, but here is {found}", self._at)

    def key(self) -> str:
        if self.peek() != '"':
            raise self._wrong("a key in double quotes was expected", self._at)
        key: str = self.value()
        return key

    def value(self) -> Any:
        self.peek()
        while True:
            try:
                value, end = _decode(self._held, self._at)
            except json.JSONDecodeError as error:
                if not self._fill():
                    raise self._wrong(error.msg, error.pos) from error
            else:
                if len(self._held) - end >= LONGEST_DOUBT or not self._fill():
                    self._at = end
                    return value

    def _fill(self) -> bool:
        """Hold more of the text, and let go of what was read; false at its end."""
        left = len(self._held) - self._at
        if left > MAX_VALUE_CHARS:
            raise self._wrong(f"a value has more than {MAX_VALUE_CHARS:,} characters", self._at)
        more = self._text.read(PIECE_CHARS)
        if more:
            self._lines_gone += self._held.count("\n", 0, self._at)
            self._held = self._held[self._at :] + more
            self._at = 0
        return bool(more)

    def _wrong(self, what: str, at: int) -> ValueError:
        line = self._lines_gone + self._held.count("\n", 0, at) + 1
        return ValueError(f"line {line:,}: {what}")
