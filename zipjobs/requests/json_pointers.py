"""JSON pointers and line numbers of values in a JSON document."""

import json
import re
from collections.abc import Iterator
from urllib.parse import quote

Path = tuple[str | int, ...]
"""The names and indexes that lead from the root of a document to a value."""

MAX_STEP_CHARS = 100
"""A pointer ends before a longer name: no field of a request has one."""

_WHITESPACE = re.compile(r"[ \t\n\r]*")
_JSON = json.JSONDecoder(parse_int=str, parse_float=str)


def pointer_to(path: Path) -> str:
    """Return ``path`` as a JSON pointer in a URI fragment, ``#/keys/0`` (RFC 6901, section 6)."""
    pointer = "#"
    for step in map(str, path):
        if len(step) > MAX_STEP_CHARS:
            break
        escaped = step.replace("~", "~0").replace("/", "~1")
        pointer += f"/{quote(escaped, safe='~', errors='replace')}"
    return pointer


def line_at(text: str, path: Path) -> int:
    """Return the line, counted from 1, on which the value at ``path`` begins.

    If there is no such value, return the line of its innermost parent that exists. ``text`` must be
    valid JSON. It is read once, up to the value.
    """
    position = _skip_whitespace(text, 0)
    for step in path:
        if text[position] not in "{[":
            break
        child = next((at for name, at in _children(text, position) if name == step), None)
        if child is None:
            break
        position = child
    return _line(text, position)


def duplicate_line(text: str, name: str) -> int | None:
    """Return the line of the second member called ``name`` in one object, or None.

    Only the root object and the objects in its lists are searched. ``text`` may end in a syntax
    error: then the search ends there too.
    """
    try:
        for start in _objects(text):
            positions = [at for member, at in _children(text, start) if member == name]
            if len(positions) > 1:
                return _line(text, positions[1])
    except (ValueError, IndexError, RecursionError):
        pass
    return None


def _objects(text: str) -> Iterator[int]:
    """Yield where objects begin, in the order in which they end: in the root's lists, the root."""
    root = _skip_whitespace(text, 0)
    if text[root] != "{":
        return
    for _, child in _children(text, root):
        if text[child] == "[":
            yield from (item for _, item in _children(text, child) if text[item] == "{")
    yield root


def _children(text: str, position: int) -> Iterator[tuple[str | int, int]]:
    """Yield the name or index and the position of each value in an object or array."""
    is_object = text[position] == "{"
    position = _skip_whitespace(text, position + 1)
    index = 0
    while text[position] not in "}]":
        name: str | int = index
        if is_object:
            name, position = _JSON.raw_decode(text, position)
            position = _skip_whitespace(text, _skip_whitespace(text, position) + 1)
        yield name, position
        position = _skip_whitespace(text, _JSON.raw_decode(text, position)[1])
        if text[position] == ",":
            position = _skip_whitespace(text, position + 1)
        index += 1


def _skip_whitespace(text: str, position: int) -> int:
    match = _WHITESPACE.match(text, position)
    assert match is not None
    return match.end()


def _line(text: str, position: int) -> int:
    return text.count("\n", 0, position) + 1
