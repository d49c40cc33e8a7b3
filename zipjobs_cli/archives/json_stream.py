"""Read JSON objects that do not fit into memory, one value at a time."""

import json
import re
from collections.abc import Iterator
from typing import IO, Any

PIECE_CHARS = 1 << 16

MAX_VALUE_CHARS = 1 << 20
"""Maximum length of a value. An entry of a receipt has at most 12,000 characters."""

NUMBER_LOOKAHEAD = 4
"""A number may continue in the next piece: ``1e+`` at the end of a piece parses as ``1``."""

_SPACE = re.compile(r"[ \t\n\r]*")
_decode = json.JSONDecoder().raw_decode


def iter_values(text: IO[str]) -> Iterator[tuple[str, Any]]:
    """Yield each key of the JSON object ``text`` with its value.

    If the value is an array, yield the key with each element instead.

    Raises ValueError, with the line, if the text is not a JSON object or has a value of more than
    ``MAX_VALUE_CHARS``; and RecursionError.
    """
    scanner = _Scanner(text)
    scanner.expect("{")
    has_more = scanner.peek() != "}"
    while has_more:
        key = scanner.key()
        scanner.expect(":")
        if scanner.peek() == "[":
            for element in _elements(scanner):
                yield key, element
        else:
            yield key, scanner.value()
        has_more = scanner.skip(",")
    scanner.expect("}")
    scanner.expect("")


def _elements(scanner: "_Scanner") -> Iterator[Any]:
    scanner.expect("[")
    has_more = scanner.peek() != "]"
    while has_more:
        yield scanner.value()
        has_more = scanner.skip(",")
    scanner.expect("]")


class _Scanner:
    """A position in a text. Only a piece of the text is in memory."""

    def __init__(self, text: IO[str]) -> None:
        self._text = text
        self._piece = ""
        self._at = 0
        self._lines_before = 0

    def peek(self) -> str:
        """Return the next character that is not white space, or "" at the end."""
        while True:
            match = _SPACE.match(self._piece, self._at)
            assert match is not None  # the pattern also matches the empty string
            self._at = match.end()
            if self._at < len(self._piece) or not self._read():
                return self._piece[self._at : self._at + 1]

    def skip(self, character: str) -> bool:
        """Skip ``character`` if it is next. Return whether it was."""
        is_next = self.peek() == character
        self._at += is_next
        return is_next

    def expect(self, character: str) -> None:
        """Skip ``character``, or raise ValueError if it is not next. "" is the end."""
        if not self.skip(character):
            actual = repr(self.peek()) if self.peek() else "the end"
            expected = repr(character) if character else "the end"
            raise self._error(f"expected {expected}, found {actual}", self._at)

    def key(self) -> str:
        if self.peek() != '"':
            raise self._error("expected a key in double quotes", self._at)
        key: str = self.value()
        return key

    def value(self) -> Any:
        self.peek()
        while True:
            try:
                value, end = _decode(self._piece, self._at)
            except json.JSONDecodeError as error:
                if not self._read():
                    raise self._error(error.msg, error.pos) from error
            else:
                if len(self._piece) - end >= NUMBER_LOOKAHEAD or not self._read():
                    self._at = end
                    return value

    def _read(self) -> bool:
        """Read another piece and discard the parsed text. Return False at the end."""
        left = len(self._piece) - self._at
        if left > MAX_VALUE_CHARS:
            raise self._error(f"a value has more than {MAX_VALUE_CHARS:,} characters", self._at)
        more = self._text.read(PIECE_CHARS)
        if more:
            self._lines_before += self._piece.count("\n", 0, self._at)
            self._piece = self._piece[self._at :] + more
            self._at = 0
        return bool(more)

    def _error(self, problem: str, at: int) -> ValueError:
        line = self._lines_before + self._piece.count("\n", 0, at) + 1
        return ValueError(f"line {line:,}: {problem}")
