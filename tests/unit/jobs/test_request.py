import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zipjobs.errors import InvalidRequest
from zipjobs.jobs.fields import Compression
from zipjobs.jobs.request import (
    MAX_REQUEST_BYTES,
    JobRequest,
    RequestedEntry,
    parse_request,
)


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


def test_entries_say_more_than_keys() -> None:
    request = parse(
        {"entries": [{"key": "a"}, {"key": "b", "bucket": "src", "name": "c", "versionId": "v"}]}
    )
    assert request.entries == (
        RequestedEntry(key="a"),
        RequestedEntry(key="b", bucket="src", name="c", version_id="v"),
    )


def test_a_prefix_may_be_the_whole_bucket() -> None:
    request = parse({"prefix": "", "include": ["**/*.pdf"], "exclude": ["drafts/**"]})
    assert (request.prefix, request.include) == ("", ("**/*.pdf",))
    assert request.exclude == ("drafts/**",)


def test_the_number_of_entries_is_known_if_the_request_lists_them() -> None:
    assert parse({"keys": ["a", "b"]}).count == 2
    assert parse({"entries": [{"key": "a"}]}).count == 1
    assert parse({"prefix": "a/"}).count is None
    assert parse({"entriesFrom": "s3://src/list"}).count is None


def test_an_archive_may_be_limited_from_64_mib_to_what_s3_takes() -> None:
    for limit in (67_108_864, 53_687_091_200_000):
        assert parse({"keys": ["a"], "maxArchiveBytes": limit}).max_archive_bytes == limit


def test_members_are_stored_unless_asked_otherwise() -> None:
    assert parse({"keys": ["a"]}).compression is Compression.STORE
    assert parse({"keys": ["a"], "compression": "deflate"}).compression is Compression.DEFLATE
    with pytest.raises(InvalidRequest, match="compression"):
        parse({"keys": ["a"], "compression": "zip"})


def test_archives_of_a_limited_size_are_stored() -> None:
    with pytest.raises(InvalidRequest, match="maxArchiveBytes"):
        parse({"keys": ["a"], "compression": "deflate", "maxArchiveBytes": 2**30})


def test_a_byte_order_mark_is_no_reason_to_refuse() -> None:
    assert parse_request(b'\xef\xbb\xbf{"keys":["a"]}').keys == ("a",)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ({}, "exactly one of keys, entries, prefix, entriesFrom; the request has none"),
        ({"keys": ["a"], "prefix": ""}, "the request has keys and prefix"),
        ({"entries": [{"key": "a"}], "entriesFrom": "s3://src/a"}, "has entries and entriesFrom"),
        ({"keys": []}, "keys: "),
        ({"keys": [""]}, "keys.0: "),
        ({"keys": ["a" * 1025]}, "keys.0: "),
        ({"keys": [1]}, "keys.0: "),
        ({"keys": "a.pdf"}, "keys: "),
        ({"keys": ["a"], "sourcebucket": "src"}, "sourcebucket: Extra inputs"),
        ({"keys": ["a"], "sourceBucket": "x"}, "sourceBucket: "),
        ({"entries": []}, "entries: "),
        ({"entries": [{"name": "a"}]}, "entries.0.key: Field required"),
        ({"entries": [{"key": "a", "name": ""}]}, "entries.0.name: "),
        ({"entries": [{"key": "a", "name": "a" * 1025}]}, "entries.0.name: "),
        ({"entries": [{"key": "a", "size": 1}]}, "entries.0.size: "),
        ({"prefix": "a" * 1025}, "prefix: "),
        ({"prefix": "a", "include": ["[z-a]"]}, "include.0: .*z-a runs backwards"),
        ({"prefix": "a", "exclude": [""]}, "exclude.0: "),
        ({"prefix": "a", "exclude": ["*"] * 101}, "exclude: "),
        ({"keys": ["a"], "include": ["*"]}, "among the keys below a prefix"),
        ({"entriesFrom": "s3://src/a", "exclude": ["*"]}, "among the keys below a prefix"),
        ({"entriesFrom": "https://src/a"}, "entriesFrom: .*s3://bucket/key"),
        ({"entriesFrom": "s3://src/"}, "entriesFrom: .*s3://bucket/key"),
        ({"entriesFrom": "s3:///a"}, "entriesFrom: .*s3://bucket/key"),
        ({"keys": ["a"], "maxArchiveBytes": 67_108_863}, "maxArchiveBytes: "),
        ({"keys": ["a"], "maxArchiveBytes": 53_687_091_200_001}, "maxArchiveBytes: "),
        ({"keys": ["a"], "maxArchiveBytes": "67108864"}, "maxArchiveBytes: "),
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


TEXT = st.text(st.characters(codec="utf-8"), min_size=1, max_size=50)
WAYS = st.one_of(
    st.fixed_dictionaries({"keys": st.lists(TEXT, min_size=1)}),
    st.fixed_dictionaries(
        {
            "entries": st.lists(
                st.fixed_dictionaries({"key": TEXT}, optional={"name": TEXT, "versionId": TEXT}),
                min_size=1,
            )
        }
    ),
    st.fixed_dictionaries(
        {"prefix": TEXT}, optional={"include": st.lists(st.sampled_from(["*", "a[b]"]))}
    ),
    st.fixed_dictionaries({"entriesFrom": TEXT.map("s3://src/".__add__)}),
)


@given(WAYS)
def test_a_request_survives_being_written_and_read(content: Any) -> None:
    request = parse(content)
    assert parse_request(request.model_dump_json(by_alias=True, exclude_none=True).encode()) == (
        request
    )


@pytest.mark.parametrize("number", ["1e9", "1000000000.0", "1000000000"])
def test_an_integer_may_be_written_as_json_lets_it(number: str) -> None:
    request = parse_request(f'{{"keys": ["a"], "maxArchiveBytes": {number}}}'.encode())
    assert request.max_archive_bytes == 10**9
