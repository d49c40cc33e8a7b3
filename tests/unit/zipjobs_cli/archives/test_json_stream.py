"""JSON a value at a time, judged by the standard library's reading of the whole."""

import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zipjobs_cli.archives import json_stream as module
from zipjobs_cli.archives.json_stream import MAX_VALUE_CHARS, walk

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def flat(content: dict[str, Any]) -> list[tuple[str, Any]]:
    return [
        (key, element)
        for key, value in content.items()
        for element in (value if isinstance(value, list) else [value])
    ]


@given(
    content=st.dictionaries(st.text(), VALUES, max_size=5),
    indent=st.sampled_from([None, 0, 2]),
    piece_chars=st.integers(1, 40),
)
def test_it_finds_what_stands_there_in_any_layout_and_wherever_a_piece_ends(
    content: dict[str, Any], indent: int | None, piece_chars: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "PIECE_CHARS", piece_chars)
        assert list(walk(io.StringIO(json.dumps(content, indent=indent)))) == flat(content)


@given(content=st.dictionaries(st.text(), VALUES, min_size=1, max_size=3), data=st.data())
def test_what_is_cut_off_is_not_json(content: dict[str, Any], data: st.DataObject) -> None:
    text = json.dumps(content)
    end = data.draw(st.integers(0, len(text) - 1))
    with pytest.raises(ValueError, match="line 1: "):
        list(walk(io.StringIO(text[:end])))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "line 1: '{' was expected, but here is the end"),
        ("[]", "line 1: '{' was expected, but here is '['"),
        ("{\n1: 2}", "line 2: a key in double quotes was expected"),
        ('{"a" 1}', "line 1: ':' was expected, but here is '1'"),
        ('{"a": 1\n\n"b": 2}', "line 3: '}' was expected, but here is '\"'"),
        ('{"a": [1\n2]}', "line 2: ']' was expected, but here is '2'"),
        ('{"a": [1,\n]}', "line 2: Expecting value"),
        ('{"a": 1,}', "line 1: a key in double quotes was expected"),
        ('{"a": 1}\n{', "line 2: the end was expected, but here is '{'"),
    ],
)
def test_what_is_wrong_is_told_by_its_line(text: str, problem: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011  (its text is asserted)
        list(walk(io.StringIO(text)))
    assert str(caught.value) == problem


def test_lines_are_counted_over_pieces() -> None:
    rows = ",\n".join('{"name": "x"}' for _ in range(20_000))
    with pytest.raises(ValueError, match="line 20,001: Expecting value"):
        list(walk(io.StringIO(f'{{"entries": [{rows},\nx]}}')))


def test_a_value_longer_than_any_ought_to_be_is_refused_before_it_is_held() -> None:
    endless = io.StringIO('{"a": "' + "x" * 5 * MAX_VALUE_CHARS)
    with pytest.raises(ValueError, match="a value has more than 1,048,576 characters"):
        list(walk(endless))
    assert endless.tell() < 2 * MAX_VALUE_CHARS
