"""Reading JSON one value at a time, compared with the standard library."""

import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zipjobs_cli.archives import json_stream as module
from zipjobs_cli.archives.json_stream import MAX_VALUE_CHARS, iter_values

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
def test_layout_and_piece_size_do_not_change_the_values(
    content: dict[str, Any], indent: int | None, piece_chars: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "PIECE_CHARS", piece_chars)
        assert list(iter_values(io.StringIO(json.dumps(content, indent=indent)))) == flat(content)


@given(content=st.dictionaries(st.text(), VALUES, min_size=1, max_size=3), data=st.data())
def test_truncated_json_is_rejected(content: dict[str, Any], data: st.DataObject) -> None:
    text = json.dumps(content)
    end = data.draw(st.integers(0, len(text) - 1))
    with pytest.raises(ValueError, match="line 1: "):
        list(iter_values(io.StringIO(text[:end])))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "line 1: expected '{', found the end"),
        ("[]", "line 1: expected '{', found '['"),
        ("{\n1: 2}", "line 2: expected a key in double quotes"),
        ('{"a" 1}', "line 1: expected ':', found '1'"),
        ('{"a": 1\n\n"b": 2}', "line 3: expected '}', found '\"'"),
        ('{"a": [1\n2]}', "line 2: expected ']', found '2'"),
        ('{"a": [1,\n]}', "line 2: Expecting value"),
        ('{"a": 1,}', "line 1: expected a key in double quotes"),
        ('{"a": 1}\n{', "line 2: expected the end, found '{'"),
    ],
)
def test_errors_have_the_line(text: str, problem: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011  (its text is asserted)
        list(iter_values(io.StringIO(text)))
    assert str(caught.value) == problem


def test_lines_are_counted_across_pieces() -> None:
    rows = ",\n".join('{"name": "x"}' for _ in range(20_000))
    with pytest.raises(ValueError, match="line 20,001: Expecting value"):
        list(iter_values(io.StringIO(f'{{"entries": [{rows},\nx]}}')))


def test_values_that_are_too_long_are_not_read() -> None:
    endless = io.StringIO('{"a": "' + "x" * 5 * MAX_VALUE_CHARS)
    with pytest.raises(ValueError, match="a value has more than 1,048,576 characters"):
        list(iter_values(endless))
    assert endless.tell() < 2 * MAX_VALUE_CHARS
