import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zipjobs.requests.json_pointers import Path, line_at, pointer_to

MANIFEST = """\

{
  "naming": "path",
  "keys": ["a",
           "b", "c"
  ],
  "entries": [
    {"key": "a"},
    {
      "key": "b",
      "name": "x"
    }
  ]
}
"""


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ((), 2),
        (("naming",), 3),
        (("keys", 0), 4),
        (("keys", 1), 5),
        (("keys", 2), 5),
        (("entries",), 7),
        (("entries", 0, "key"), 8),
        (("entries", 1), 9),
        (("entries", 1, "name"), 11),
    ],
)
def test_a_value_is_on_the_line_where_it_begins(path: Path, line: int) -> None:
    assert line_at(MANIFEST, path) == line


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("gone",), 2),
        (("keys", 3), 4),
        (("keys", "0"), 4),
        (("entries", 1, "versionId"), 9),
        (("naming", "x", 0), 3),
    ],
)
def test_a_missing_value_has_the_line_of_its_parent(path: Path, line: int) -> None:
    assert line_at(MANIFEST, path) == line


@pytest.mark.parametrize(
    ("path", "pointer"),
    [
        ((), "#"),
        (("keys", 0), "#/keys/0"),
        (("a/b~c",), "#/a~1b~0c"),
        (("ü %",), "#/%C3%BC%20%25"),
        (("\ud800",), "#/%3F"),
        (("entries", 0, "x" * 101), "#/entries/0"),
    ],
)
def test_a_pointer_is_a_fragment_of_a_uri(path: Path, pointer: str) -> None:
    assert pointer_to(path) == pointer


TEXT = st.text(st.characters(codec="utf-8"), max_size=5)
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=20,
)
BLANKS = st.text(st.sampled_from(" \t\r\n"), max_size=3)


@given(st.data(), ANY_JSON, st.booleans())
def test_every_value_of_any_document_has_its_line(
    data: st.DataObject, document: Any, is_ascii: bool
) -> None:
    lines: list[tuple[Path, int]] = []
    text = written(document, lambda: data.draw(BLANKS), is_ascii, lines)
    assert json.loads(text) == document
    for path, line in lines:
        assert line_at(text, path) == line


def written(
    document: Any, blanks: Callable[[], str], is_ascii: bool, lines: list[tuple[Path, int]]
) -> str:
    """Return the document as JSON with random whitespace. Append each value's line to ``lines``."""
    text = blanks()

    def write(value: Any, path: Path) -> None:
        nonlocal text
        lines.append((path, text.count("\n") + 1))
        if not isinstance(value, list | dict):
            text += json.dumps(value, ensure_ascii=is_ascii)
            return
        opening, closing = "[]" if isinstance(value, list) else "{}"
        text += opening + blanks()
        for number, item in enumerate(value):
            if number:
                text += f",{blanks()}"
            if isinstance(value, dict):
                text += f"{json.dumps(item, ensure_ascii=is_ascii)}{blanks()}:{blanks()}"
                write(value[item], (*path, item))
            else:
                write(item, (*path, number))
            text += blanks()
        text += closing

    write(document, ())
    return text + blanks()
