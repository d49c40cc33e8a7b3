import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zipjobs.errors import FieldProblem, InvalidRequest
from zipjobs.requests.fields import Compression, Naming, OnDuplicate
from zipjobs.requests.schema import (
    MAX_REQUEST_BYTES,
    JobRequest,
    RequestedEntry,
    parse_request,
)


def parse(content: Any) -> JobRequest:
    return parse_request(json.dumps(content).encode())


def test_keys_are_sufficient() -> None:
    request = parse({"keys": ["a.pdf", "b/c.pdf"]})
    assert request.keys == ("a.pdf", "b/c.pdf")
    assert request.source_bucket is None


def test_buckets_and_target_prefix_are_parsed() -> None:
    request = parse(
        {"sourceBucket": "src", "targetBucket": "dst", "targetPrefix": "zips/", "keys": ["a"]}
    )
    assert request.target_prefix == "zips/"


def test_entries_have_bucket_name_and_version() -> None:
    request = parse(
        {"entries": [{"key": "a"}, {"key": "b", "bucket": "src", "name": "c", "versionId": "v"}]}
    )
    assert request.entries == (
        RequestedEntry(key="a"),
        RequestedEntry(key="b", bucket="src", name="c", version_id="v"),
    )


def test_an_empty_prefix_is_the_whole_bucket() -> None:
    request = parse({"prefix": "", "include": ["**/*.pdf"], "exclude": ["drafts/**"]})
    assert (request.prefix, request.include) == ("", ("**/*.pdf",))
    assert request.exclude == ("drafts/**",)


def test_count_is_known_if_the_request_lists_entries() -> None:
    assert parse({"keys": ["a", "b"]}).count == 2
    assert parse({"entries": [{"key": "a"}]}).count == 1
    assert parse({"prefix": "a/"}).count is None
    assert parse({"entriesFrom": "s3://src/list"}).count is None


@pytest.mark.parametrize(
    ("options", "codes"),
    [
        ({}, set()),
        ({"onMissing": "skip"}, {"SOURCE_NOT_FOUND"}),
        (
            {"onUnreadable": "skip"},
            {"SOURCE_ARCHIVED", "SOURCE_FORBIDDEN", "SOURCE_ENCRYPTED"},
        ),
        (
            {"onUnreadable": "skip", "onMissing": "skip"},
            {"SOURCE_NOT_FOUND", "SOURCE_ARCHIVED", "SOURCE_FORBIDDEN", "SOURCE_ENCRYPTED"},
        ),
    ],
)
def test_each_option_skips_its_error_codes(options: dict[str, str], codes: set[str]) -> None:
    assert parse({"keys": ["a"], **options}).skipped_codes == codes


def test_max_archive_bytes_accepts_its_limits() -> None:
    for limit in (67_108_864, 53_687_091_200_000):
        assert parse({"keys": ["a"], "maxArchiveBytes": limit}).max_archive_bytes == limit


def test_the_default_compression_is_store() -> None:
    assert parse({"keys": ["a"]}).compression is Compression.STORE
    assert parse({"keys": ["a"], "compression": "deflate"}).compression is Compression.DEFLATE
    with pytest.raises(InvalidRequest, match="compression"):
        parse({"keys": ["a"], "compression": "zip"})


def test_the_default_naming_is_basename_with_suffixes() -> None:
    request = parse({"keys": ["a"]})
    assert (request.naming, request.on_duplicate) == (Naming.BASENAME, OnDuplicate.SUFFIX)
    request = parse(
        {"keys": ["a"], "naming": "path", "stripPrefix": "a/", "onDuplicate": "fail"},
    )
    assert (request.naming, request.on_duplicate) == (Naming.PATH, OnDuplicate.FAIL)
    assert parse({"prefix": "", "naming": "relative"}).naming is Naming.RELATIVE


def test_an_archive_name_without_folders_is_accepted() -> None:
    for name in ("q3", "q3.zip", "C:", "..", "ü" * 100, "a\u202eb", "e\u0301" * 66):
        assert parse({"keys": ["a"], "archiveName": name}).archive_name == name


def test_the_total_length_of_globs_is_limited() -> None:
    globs = ["a" * 1024] * 8
    assert parse({"prefix": "", "include": globs}).include == tuple(globs)
    with pytest.raises(InvalidRequest, match="more than 8,192 characters"):
        parse({"prefix": "", "include": globs, "exclude": ["b"]})


@pytest.mark.parametrize("field", ["targetPrefix", "archiveName"])
@pytest.mark.parametrize("character", ["\n", "\r", "\0", "\x7f", "\x85", "\u2028", "\u2029"])
def test_control_characters_in_the_target_are_rejected(field: str, character: str) -> None:
    """S3 rejects such keys, or clients cannot use them."""
    with pytest.raises(InvalidRequest, match=f"{field}: remove the control character") as caught:
        parse({"keys": ["a"], field: f"zips{character}x"})
    assert caught.value.problems[0].pointer == f"#/{field}"


@pytest.mark.parametrize("prefix", ["..", ".", "zips/..", "zips/../x/", "./zips/", "zips/./x"])
def test_dot_segments_in_the_target_prefix_are_rejected(prefix: str) -> None:
    """Clients resolve them, so a link to such a key returns 403."""
    with pytest.raises(InvalidRequest, match="targetPrefix"):
        parse({"keys": ["a"], "targetPrefix": prefix})


@pytest.mark.parametrize("prefix", ["zips/.hidden/", "zips/...", "a..b/", "zips/ü/"])
def test_dots_in_a_folder_name_are_accepted(prefix: str) -> None:
    assert parse({"keys": ["a"], "targetPrefix": prefix}).target_prefix == prefix


@pytest.mark.parametrize("version", ["x\r\n", "é", "a b", "\u2028", ""])
def test_a_version_id_must_be_printable_ascii(version: str) -> None:
    """A version ID is part of request URLs."""
    with pytest.raises(InvalidRequest, match=r"entries\.0\.versionId"):
        parse({"entries": [{"key": "a", "versionId": version}]})


def test_max_archive_bytes_is_not_allowed_with_deflate() -> None:
    with pytest.raises(InvalidRequest, match="maxArchiveBytes"):
        parse({"keys": ["a"], "compression": "deflate", "maxArchiveBytes": 2**30})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({}, "exactly one of keys, entries, prefix, entriesFrom. This request has none"),
        ({"keys": ["a"], "prefix": ""}, "has keys and prefix"),
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
        ({"prefix": "a", "include": ["[z-a]"]}, "include.0: .*z-a is reversed"),
        ({"prefix": "a", "exclude": [""]}, "exclude.0: "),
        ({"prefix": "a", "exclude": ["*"] * 101}, "exclude: "),
        ({"keys": ["a"], "include": ["*"]}, "include requires prefix"),
        ({"entriesFrom": "s3://src/a", "exclude": ["*"]}, "exclude requires prefix"),
        ({"keys": ["a"], "modifiedAfter": "2026-07-01"}, "modifiedAfter requires prefix"),
        ({"keys": ["a"], "maxBytes": 0}, "maxBytes requires prefix"),
        (
            {"prefix": "", "modifiedAfter": "2026-07-01", "modifiedBefore": "2026-07-01"},
            "no time is between modifiedAfter and modifiedBefore",
        ),
        ({"prefix": "", "minBytes": 2, "maxBytes": 1}, "no size is between minBytes and maxBytes"),
        ({"prefix": "", "modifiedAfter": "2026-02-30"}, "2026-02-30 is not a date or time"),
        ({"entriesFrom": "https://src/a"}, "entriesFrom: .*s3://bucket/key"),
        ({"entriesFrom": "s3://src/"}, "entriesFrom: .*s3://bucket/key"),
        ({"entriesFrom": "s3:///a"}, "entriesFrom: .*s3://bucket/key"),
        ({"keys": ["a"], "maxArchiveBytes": 67_108_863}, "maxArchiveBytes: "),
        ({"keys": ["a"], "maxArchiveBytes": 53_687_091_200_001}, "maxArchiveBytes: "),
        ({"keys": ["a"], "maxArchiveBytes": "67108864"}, "maxArchiveBytes: "),
        ({"keys": ["a"], "archiveName": "a/b"}, "archiveName: .*into targetPrefix"),
        (
            {"keys": ["a"], "archiveName": "..\\\\x"},
            "archiveName: .*into targetPrefix",
        ),
        ({"keys": ["a"], "archiveName": "ü" * 101}, "archiveName: .* 200 bytes of UTF-8"),
        ({"keys": ["a"], "naming": "folder"}, "naming: Input should be 'basename', 'path' or"),
        ({"keys": ["a"], "naming": "relative"}, "naming relative requires prefix"),
        ({"keys": ["a"], "stripPrefix": "a/"}, "set naming to path, or remove stripPrefix"),
        (
            {"prefix": "a/", "naming": "relative", "stripPrefix": "a/"},
            "set naming to path, or remove stripPrefix",
        ),
        ([], "Input should be an object"),
        ({"keys": ["a"], "version": "2"}, "version: Input should be '1'"),
        ({"keys": ["a"], "version": 1}, "version: Input should be '1'"),
    ],
)
def test_an_invalid_request_is_rejected_with_its_field(content: Any, message: str) -> None:
    with pytest.raises(InvalidRequest, match=message):
        parse(content)


def problems_of(body: bytes) -> list[FieldProblem]:
    with pytest.raises(InvalidRequest) as caught:
        parse_request(body)
    return list(caught.value.problems)


def test_errors_have_pointers_and_lines() -> None:
    body = b'{\n "keys": ["a",\n  ""],\n "Naming": "path"\n}'
    with pytest.raises(InvalidRequest) as caught:
        parse_request(body)
    assert str(caught.value) == (
        "keys.1 (line 3): String should have at least 1 character; "
        "Naming (line 4): Extra inputs are not permitted"
    )
    assert [(one.pointer, one.line) for one in caught.value.problems] == [
        ("#/keys/1", 3),
        ("#/Naming", 4),
    ]
    assert caught.value.problems[1].detail == "Extra inputs are not permitted"


@pytest.mark.parametrize(
    ("body", "pointer", "line"),
    [
        (b'{"keys": ["a"],\n"include":\n["*"]}', "#/include", 3),
        (b'{"keys": ["a"],\n"exclude": ["*"]}', "#/exclude", 2),
        (b'{"keys": ["a"],\n"naming": "relative"}', "#/naming", 2),
        (b'{"keys": ["a"],\n"stripPrefix": "a/"}', "#/stripPrefix", 2),
        (b'{"keys": ["a"],\n\n"prefix": ""}', "#/prefix", 3),
        (b'{"entries": [{"key": "a"},\n{"name": "b"}]}', "#/entries/1/key", 2),
        (b'{"entries":\n[{"key": "a",\n"version_id": "b"}]}', "#/entries/0/version_id", 3),
        (b"{\n}", "#", None),
        (b'{"keys": ["a",\n]}', None, 2),
        (b'{"keys":\n["\\ud83d"]}', None, 2),
    ],
)
def test_the_pointer_is_that_of_the_field_to_change(
    body: bytes, pointer: str | None, line: int | None
) -> None:
    (problem,) = problems_of(body)
    assert (problem.pointer, problem.line) == (pointer, line)


@pytest.mark.parametrize(
    ("body", "line"),
    [
        (b'{"keys": ["a"],\n\n "keys": ["b"]}', 3),
        (b'{"entries": [{"key": "a"},\n{"key": "a",\n"key": "b"}]}', 3),
        (b'{"entries": [{"key": "a", "key":\n"b"}],\n', 2),
        (b'{"entries": [{"key": {"a": 1,\n"a": 2}}]}', None),
        (b'[{"a": 1,\n"a": 2}]', None),
    ],
)
def test_a_duplicate_member_has_the_line_of_the_second(body: bytes, line: int | None) -> None:
    with pytest.raises(InvalidRequest, match="appears twice in one object") as caught:
        parse_request(body)
    assert [(one.pointer, one.line) for one in caught.value.problems] == [(None, line)]
    assert str(caught.value).startswith(f"Line {line}: ") == (line is not None)


def test_a_request_on_one_line_has_no_lines_in_its_message() -> None:
    with pytest.raises(InvalidRequest, match="^naming relative .*"):
        parse({"keys": ["a"], "naming": "relative"})
    with pytest.raises(InvalidRequest, match="^Line 2: naming relative .*"):
        parse_request(b'{"keys": ["a"],\n"naming": "relative"}')


def test_at_most_five_problems_are_reported() -> None:
    body = json.dumps({"keys": [""] * 100}).encode()
    assert [one.pointer for one in problems_of(body)] == [f"#/keys/{n}" for n in range(5)]


def test_a_request_above_the_size_limit_is_rejected() -> None:
    with pytest.raises(InvalidRequest, match="more than 16,777,216 bytes"):
        parse_request(b" " * (MAX_REQUEST_BYTES + 1))


def test_a_long_list_of_errors_is_truncated() -> None:
    with pytest.raises(InvalidRequest, match="and 95 more"):
        parse({"keys": [*[""] * 100, "a"]})


TEXT = st.text(st.characters(codec="utf-8"), min_size=1, max_size=50)
PRINTABLE = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1)
WAYS = st.one_of(
    st.fixed_dictionaries({"keys": st.lists(TEXT, min_size=1)}),
    st.fixed_dictionaries(
        {
            "entries": st.lists(
                st.fixed_dictionaries(
                    {"key": TEXT}, optional={"name": TEXT, "versionId": PRINTABLE}
                ),
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
def test_a_request_survives_a_round_trip(content: Any) -> None:
    request = parse(content)
    assert parse_request(request.model_dump_json(by_alias=True, exclude_none=True).encode()) == (
        request
    )


@pytest.mark.parametrize("number", ["1e9", "1000000000.0", "1000000000"])
def test_integers_can_have_any_json_notation(number: str) -> None:
    request = parse_request(f'{{"keys": ["a"], "maxArchiveBytes": {number}}}'.encode())
    assert request.max_archive_bytes == 10**9
