"""The JSON Schema of requests accepts the same requests as the parser."""

import json
from typing import Any

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from zipjobs.errors import InvalidRequest
from zipjobs.requests.fields import EXPIRY_TAG, MAX_MULTIPART_BYTES, MIN_ARCHIVE_BYTES
from zipjobs.requests.schema import JobRequest, parse_request

SCHEMA = JobRequest.model_json_schema(by_alias=True)
VALIDATOR = Draft202012Validator(SCHEMA)

NOT_IN_SCHEMA = (
    *("bytes of UTF-8", "is reversed", "nested more than", "include and exclude together"),
    *("is not a date or time", "no time is between", "no size is between"),
)
"""Messages of rules that JSON Schema cannot express. Descriptions of the fields mention them."""


def is_accepted_by_schema(content: Any) -> bool:
    return VALIDATOR.is_valid(content)


def error_of(content: Any) -> InvalidRequest | None:
    try:
        parse_request(json.dumps(content).encode())
    except InvalidRequest as error:
        return error
    return None


ANY_VALUE: st.SearchStrategy[Any] = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.just([])
)


def text_around(*lengths: int) -> st.SearchStrategy[str]:
    """Return texts around each length, of characters with one or more bytes."""
    sizes = sorted({max(0, length + by) for length in lengths for by in (-1, 0, 1)})
    return st.builds(
        lambda size, character, start: (start + character * size)[:size],
        st.sampled_from(sizes),
        st.sampled_from("aü😀"),
        st.sampled_from(["", "a/", "\\", "s3://bucket/", "\n", "[z-a]"]),
    )


KEYS = st.sampled_from(["", "a", "a/b.pdf", "ü", "\n"]) | text_around(1, 512, 1024)
BUCKETS = text_around(3, 63)
LONG = text_around(1, 1024)
ENTRIES = st.fixed_dictionaries(
    {},
    optional={
        "key": KEYS | ANY_VALUE,
        "bucket": BUCKETS | ANY_VALUE,
        "name": LONG | ANY_VALUE,
        "versionId": LONG | ANY_VALUE,
        "size": ANY_VALUE,
    },
)
LISTS_IN_S3 = st.sampled_from(["s3://", "s3:/", "S3://", "https://"]).flatmap(
    lambda scheme: st.builds(
        lambda bucket, key: f"{scheme}{bucket}/{key}",
        st.sampled_from(["src", "sr", "b" * 63, "b" * 64, "", "a\nb"]),
        KEYS,
    )
)
GLOBS = st.lists(
    st.sampled_from(["*", "**/*.pdf", "[a-z]", "[z-a]", "", "[", "\n", "{" * 11]) | LONG,
    max_size=1,
)
TIMES = st.sampled_from(
    [
        *("2026-07-01", "2026-07-01T08:30:00Z", "2026-07-01T08:30:00.123+02:00", "0001-01-01"),
        *("2026-02-30", "2026-07-01T25:00:00Z", "0000-01-01", "2026-07-01T08:30:00+99:00"),
        *("2026-07-01T08:30:00", "2026-7-1", "20260701", "2026-07-01 08:30:00Z"),
        *("2026-07-01t08:30:00z", "", "\u0662026-07-01"),
    ]
)
OBJECT_BYTES = st.sampled_from([-1, 0, 1, 1.0, 0.5, MAX_MULTIPART_BYTES, MAX_MULTIPART_BYTES + 1])
ARCHIVE_BYTES = st.sampled_from([MIN_ARCHIVE_BYTES, MAX_MULTIPART_BYTES]).flatmap(
    lambda limit: st.sampled_from([limit - 1, limit, limit + 1, limit + 0.5, float(limit)])
)


def pairs(texts: list[str], too_many: int) -> st.SearchStrategy[dict[str, str]]:
    text = st.sampled_from(texts)
    many = st.integers(too_many - 1, too_many).map(lambda n: {f"k{i}": "" for i in range(n)})
    return st.dictionaries(text, text, max_size=2) | many


FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "keys": st.lists(KEYS, max_size=3),
    "entries": st.lists(ENTRIES, max_size=3),
    "prefix": KEYS,
    "entriesFrom": LISTS_IN_S3,
    "include": GLOBS | st.integers(99, 101).map(lambda count: ["*"] * count),
    "exclude": GLOBS,
    "modifiedAfter": TIMES,
    "modifiedBefore": TIMES,
    "minBytes": OBJECT_BYTES,
    "maxBytes": OBJECT_BYTES,
    "sourceBucket": BUCKETS,
    "targetBucket": BUCKETS,
    "targetPrefix": st.just("") | text_around(450, 900),
    "archiveName": st.sampled_from(["q3.zip", "a/b", "a\\b", "..", "\n", "a\n"])
    | text_around(1, 100, 200),
    "naming": st.sampled_from(["basename", "path", "relative", "PATH", ""]),
    "stripPrefix": KEYS,
    "onDuplicate": st.sampled_from(["suffix", "fail", "skip"]),
    "onMissing": st.sampled_from(["fail", "skip", "suffix"]),
    "onUnreadable": st.sampled_from(["fail", "skip", "suffix"]),
    "compression": st.sampled_from(["store", "deflate", "zip"]),
    "maxArchiveBytes": ARCHIVE_BYTES,
    "keysUrlEncoded": st.booleans(),
    "emptyFolders": st.sampled_from(["drop", "keep", "skip"]),
    "maxPathLength": st.sampled_from([59, 60, 60.0, 60.5, 900, 901]),
    "requestPayer": st.sampled_from(["requester", "owner"]),
    "storageClass": st.sampled_from(["STANDARD", "GLACIER_IR", "GLACIER", "standard"]),
    "tags": pairs(["a", "ä", "AWS:a", EXPIRY_TAG, "", "a*", "a\nb", "a b+-=._:/@", "k" * 129], 10),
    "metadata": pairs(
        ["a", "A", "ä", "", "a b", "-a", "a\nb", "a" * 65, "a" * 64, " a", "made-for"], 11
    ),
    "expiresInDays": st.sampled_from([1, 7, 7.0, 30, 90, 2, 0, True]),
    "version": st.sampled_from(["1", "2", "", 1, 1.0]),
}
WAYS = ("keys", "entries", "prefix", "entriesFrom")
GOOD: dict[str, st.SearchStrategy[Any]] = {
    "keys": st.just(["a"]),
    "entries": st.just([{"key": "a", "name": None}]),
    "prefix": st.sampled_from(["", "a/"]) | st.none(),
    "entriesFrom": st.just("s3://src/list") | st.none(),
    "include": st.sampled_from([[], ["*"]]),
    "exclude": st.sampled_from([[], ["*"]]),
    "modifiedAfter": st.just("2026-07-01") | st.none(),
    "modifiedBefore": st.sampled_from(["2026-06-01", "2026-08-01"]) | st.none(),
    "minBytes": st.just(1) | st.none(),
    "maxBytes": st.sampled_from([0, 2]) | st.none(),
    "naming": st.sampled_from(["basename", "path", "relative"]),
    "stripPrefix": st.just("a/") | st.none(),
    "onDuplicate": st.just("fail"),
    "emptyFolders": st.sampled_from(["drop", "keep"]),
    "keysUrlEncoded": st.booleans(),
    "compression": st.sampled_from(["store", "deflate"]),
    "maxArchiveBytes": st.just(MIN_ARCHIVE_BYTES) | st.none(),
}
"""Values that are valid alone, but not in all combinations."""


def test_the_strategies_cover_every_field() -> None:
    assert set(FIELDS) == set(SCHEMA["properties"])
    assert set(GOOD) < set(FIELDS)


def one_field(name: str) -> st.SearchStrategy[Any]:
    """Return requests in which at most one field is invalid."""
    way: dict[str, Any] = {} if name in WAYS else {"prefix": "a/"}
    more: dict[str, Any] = {
        "stripPrefix": {"naming": "path"},
        "include": {"prefix": ""},
        "exclude": {"prefix": ""},
        "emptyFolders": {"naming": "path"},
    }.get(name, {})
    if name == "keysUrlEncoded":
        way = {"entriesFrom": "s3://src/list"}
    return (FIELDS[name] | ANY_VALUE).map(lambda value: {**way, **more, name: value})


def assert_they_agree(content: Any) -> None:
    error = error_of(content)
    if error is not None and any(words in str(error) for words in NOT_IN_SCHEMA):
        assume(len(error.problems) == 1)  # a second problem may be one that the schema rejects
        assert is_accepted_by_schema(content), error
    else:
        assert is_accepted_by_schema(content) == (error is None), error


@pytest.mark.parametrize("name", FIELDS)
def test_schema_and_parser_accept_the_same_values(name: str) -> None:
    @given(one_field(name))
    def check(content: Any) -> None:
        assert_they_agree(content)

    check()


@given(st.fixed_dictionaries({}, optional=GOOD))
@example({"keys": ["a"], "prefix": None})
@example({"prefix": None})
def test_schema_and_parser_accept_the_same_combinations(content: Any) -> None:
    assert_they_agree(content)


@given(st.dictionaries(st.sampled_from([*FIELDS, "version_id", "source_bucket"]), ANY_VALUE))
@example({"keys": ["a"], "source_bucket": "src"})
@example({"entries": [{"key": "a", "version_id": "1"}]})
def test_schema_and_parser_reject_the_same_values(content: Any) -> None:
    assert_they_agree(content)


def test_every_field_has_a_description_and_examples() -> None:
    fields = [
        *SCHEMA["properties"].items(),
        *SCHEMA["$defs"]["RequestedEntry"]["properties"].items(),
    ]
    for name, field in fields:
        assert field["description"].endswith("."), name
        if "$ref" not in field:
            assert VALIDATOR.evolve(schema={**field, "$defs": SCHEMA["$defs"]}).is_valid(
                field["examples"][0]
            ), name


def test_every_default_is_valid() -> None:
    for name, field in SCHEMA["properties"].items():
        if "default" in field:
            assert is_accepted_by_schema({"keys": ["a"], name: field["default"]}), name
            assert error_of({"keys": ["a"], name: field["default"]}) is None
