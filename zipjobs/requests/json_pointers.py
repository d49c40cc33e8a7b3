"""Where a value stands in the JSON that it was written in."""

import json
import re
from collections.abc import Iterator
from urllib.parse import quote

Path = tuple[str | int, ...]
"""The names and numbers that lead from the whole to a value."""

MAX_STEP_CHARS = 100
"""A longer name is no field of ours, and is not repeated: its pointer ends before it."""

_BLANKS = re.compile(r"[ \t\n\r]*")
_JSON = json.JSONDecoder(parse_int=str, parse_float=str)


def pointer_to(path: Path) -> str:
    """``path`` as a JSON pointer in a URI fragment: ``#/keys/0``. RFC 6901, 6."""
    pointer = "#"
    for step in map(str, path):
        if len(step) > MAX_STEP_CHARS:
            break
        escaped = step.replace("~", "~0").replace("/", "~1")
        pointer += f"/{quote(escaped, safe='~', errors='replace')}"
    return pointer


def line_at(text: str, path: Path) -> int:
    """The line, from 1 on, in which the value at ``path`` begins; where that is not there, the
    last value on the way that is. ``text`` is a JSON document.

    Takes the time that reading ``text`` takes, and the memory of one value beside the way.
    """
    at = _after_blanks(text, 0)
    for step in path:
        if text[at] not in "{[":
            break
        found = next((place for name, place in _values(text, at) if name == step), None)
        if found is None:
            break
        at = found
    return text.count("\n", 0, at) + 1


def line_of_second(text: str, name: str) -> int | None:
    """The line of the second member of that name: of the whole, or of an object in its lists.

    None, if there is none before the place where ``text`` ceases to be JSON.
    """
    try:
        for at in _objects(text):
            named = [place for step, place in _values(text, at) if step == name]
            if len(named) > 1:
                return text.count("\n", 0, named[1]) + 1
    except (ValueError, IndexError, RecursionError):
        pass
    return None


def _objects(text: str) -> Iterator[int]:
    """Where each object in a list of the whole begins, and then the whole, as readers end them."""
    whole = _after_blanks(text, 0)
    if text[whole] != "{":
        return
    for _, value in _values(text, whole):
        if text[value] == "[":
            yield from (item for _, item in _values(text, value) if text[item] == "{")
    yield whole


def _values(text: str, at: int) -> Iterator[tuple[str | int, int]]:
    """The name or number of each value in the object or list at ``at``, and where it begins."""
    is_object = text[at] == "{"
    at = _after_blanks(text, at + 1)
    number = 0
    while text[at] not in "}]":
        name: str | int = number
        if is_object:
            name, at = _JSON.raw_decode(text, at)
            at = _after_blanks(text, _after_blanks(text, at) + 1)
        yield name, at
        at = _after_blanks(text, _JSON.raw_decode(text, at)[1])
        if text[at] == ",":
            at = _after_blanks(text, at + 1)
        number += 1


def _after_blanks(text: str, at: int) -> int:
    match = _BLANKS.match(text, at)
    assert match is not None
    return match.end()
