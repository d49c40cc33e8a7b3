import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zipjobs.errors import InvalidRequest
from zipjobs.jobs.request import MAX_REQUEST_BYTES, JobRequest, parse_request


def parse(content: Any) -> JobRequest:
    return parse_request(json.dumps(content).encode())


def test_keys_are_all_that_is_needed() -> None:
    request = parse({"keys": ["a.pdf", "b/c.pdf"]})
    assert request.keys == ("a.pdf", "b/c.pdf")
    assert request.source_bucket is None


def test_every_field_is_taken() -> None:
    request = parse(
        {"sourceBucket": "src", "targetBucket": "dst", "targetPrefix": "zips/", "keys": ["a"]}
    )
    assert request.target_prefix == "zips/"


def test_a_byte_order_mark_is_no_reason_to_refuse() -> None:
    assert parse_request(b'\xef\xbb\xbf{"keys":["a"]}').keys == ("a",)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ({}, "keys: Field required"),
        ({"keys": []}, "keys: "),
        ({"keys": [""]}, "keys.0: "),
        ({"keys": ["a" * 1025]}, "keys.0: "),
        ({"keys": [1]}, "keys.0: "),
        ({"keys": "a.pdf"}, "keys: "),
        ({"keys": ["a"], "sourcebucket": "src"}, "sourcebucket: Extra inputs"),
        ({"keys": ["a"], "sourceBucket": "x"}, "sourceBucket: "),
        ([], "Input should be an object"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_field_that_is_wrong(
    content: Any, complaint: str
) -> None:
    with pytest.raises(InvalidRequest, match=complaint):
        parse(content)


@pytest.mark.parametrize("body", [b"", b"keys: [a]", b'{"keys": ["a"', b"\xff\xfe{"])
def test_what_is_not_json_is_refused_with_the_place(body: bytes) -> None:
    with pytest.raises(InvalidRequest, match="Invalid JSON"):
        parse_request(body)


def test_a_request_above_the_limit_is_refused_before_it_is_read() -> None:
    with pytest.raises(InvalidRequest, match="the limit is"):
        parse_request(b" " * (MAX_REQUEST_BYTES + 1))


def test_a_long_list_of_mistakes_is_cut_short() -> None:
    with pytest.raises(InvalidRequest, match="and 95 more"):
        parse({"keys": [*[""] * 100, "a"]})


@given(st.binary(max_size=200))
def test_nothing_but_our_own_error_comes_out(body: bytes) -> None:
    try:
        parse_request(body)
    except InvalidRequest:
        return


@given(st.lists(st.text(st.characters(codec="utf-8"), min_size=1, max_size=50), min_size=1))
def test_a_request_survives_being_written_and_read(keys: list[str]) -> None:
    request = parse({"keys": keys})
    assert parse_request(request.model_dump_json(by_alias=True, exclude_none=True).encode()) == (
        request
    )
