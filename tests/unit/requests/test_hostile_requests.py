"""Hostile requests, manifests and messages."""

import io
import json
import resource
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zipjobs.errors import InvalidManifest, InvalidRequest
from zipjobs.jobs.job import Submission
from zipjobs.jobs.messages import UnknownMessage, parse_message
from zipjobs.requests.schema import MAX_REQUEST_BYTES, JobRequest, parse_request
from zipjobs.requests.storage import ObjectRef, RequestReader
from zipjobs.requests.strict_json import MAX_REQUEST_ENTRIES

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

ROOT = Path(__file__).resolve().parents[3]
EVENT = (ROOT / "tests/support/events/object_created.json").read_text()
ZIPPER_BYTES = 1024 * 1024 * 1024
"""The memory of the zipper function in Pulumi.yaml."""

GOOD = '{"keys": ["a.pdf"]}'


def filled(opening: bytes, unit: bytes, closing: bytes, size: int = MAX_REQUEST_BYTES) -> bytes:
    """Return a document of up to ``size`` bytes with as many units, separated by commas."""
    count = (size - len(opening) - len(closing)) // (len(unit) + 1)
    return opening + b",".join([unit] * count) + closing


CORPUS: dict[str, tuple[bytes, str]] = {
    # not UTF-8 text
    "0 bytes": (b"", "the request is empty. Send an object"),
    "only blanks": (b" \r\n\t ", "the request is empty. Send an object"),
    "only a byte order mark": (b"\xef\xbb\xbf", "the request is empty. Send an object"),
    "two byte order marks": (b"\xef\xbb\xbf" * 2 + GOOD.encode(), "line 1 column 1"),
    "UTF-16": (GOOD.encode("utf-16"), "the encoding is UTF-16"),
    "UTF-16LE": (GOOD.encode("utf-16-le"), "the encoding is UTF-16-LE"),
    "UTF-16BE": (GOOD.encode("utf-16-be"), "the encoding is UTF-16-BE"),
    "UTF-32": (GOOD.encode("utf-32"), "the encoding is UTF-32"),
    "UTF-32BE": (GOOD.encode("utf-32-be"), "the encoding is UTF-32-BE"),
    "half a UTF-16": (b"\xff\xfe{", "the encoding is UTF-16"),
    "Latin-1": ('{"keys": ["\u00e9"]}'.encode("latin-1"), "byte 12 is not valid UTF-8"),
    "a surrogate in UTF-8": (b'{"keys": ["\xed\xa0\x80"]}', "byte 12 is not valid UTF-8"),
    "an overlong slash": (b'{"keys": ["\xc0\xaf"]}', "byte 12 is not valid UTF-8"),
    "above Unicode": (b'{"keys": ["\xf4\x90\x80\x80"]}', "byte 12 is not valid UTF-8"),
    "a cut character": (b'{"keys": ["\xf0\x9f\x98', "byte 12 is not valid UTF-8"),
    "gzip": (b"\x1f\x8b\x08\x00\x00\x00\x00\x00", "byte 2 is not valid UTF-8"),
    "a ZIP": (b"PK\x03\x04\x14\x00\x00\x00", "Expecting value at line 1 column 1"),
    "zeros": (b"\x00" * 100, "the encoding is UTF-32"),
    # not JSON
    "no JSON": (b"keys: [a]", "Expecting value at line 1 column 1"),
    "a comment": (b"// keys\n{}", "Expecting value at line 1 column 1"),
    "single quotes": (b"{'keys': ['a']}", "in double quotes at line 1 column 2"),
    "a comma too many": (b'{"keys": ["a",]}', "Invalid JSON: .* at line 1 column 1[45]"),
    "a comma too few": (b'{"keys": ["a"\n"b"]}', "delimiter at line 2 column 1. Fix the syntax"),
    "the end is missing": (b'{"keys": ["a"', "at line 1 column 14"),
    "more behind the end": (b'{"keys": ["a"]} x', "Extra data at line 1 column 17"),
    "two documents": (b'{"keys": ["a"]}{"keys": ["b"]}', "Extra data at line 1 column 16"),
    "a zero behind the end": (b'{"keys": ["a"]}\0', "Extra data at line 1 column 16"),
    "a control character": (b'{"keys": ["a\0"]}', "Invalid control character at line 1 column 13"),
    "an unknown escape": (b'{"keys": ["\\x41"]}', "Invalid .escape at line 1 column 12"),
    "a leading surrogate": (
        b'{"keys": ["\\ud83d"]}',
        "Half of a surrogate pair is not a character",
    ),
    "a trailing surrogate": (
        b'{"keys": ["\\uDE00a"]}',
        "Half of a surrogate pair is not a character",
    ),
    "a pair the wrong way": (b'{"keys": ["\\ude00\\ud83d"]}', "Half of a surrogate pair"),
    "a surrogate for a name": (b'{"\\ud83d": 1}', "Half of a surrogate pair is not a character"),
    "NaN": (b'{"keys": ["a"], "maxArchiveBytes": NaN}', "NaN is not a JSON number"),
    "Infinity": (b'{"keys": ["a"], "maxArchiveBytes": Infinity}', "Infinity is not a JSON number"),
    "-Infinity": (
        b'{"keys": ["a"], "maxArchiveBytes": -Infinity}',
        "-Infinity is not a",
    ),
    "only NaN": (b"NaN", "NaN is not a JSON number"),
    "deep lists": (b"[" * 100_000, "it is nested too deeply"),
    "deep lists that end": (b"[" * 100_000 + b"]" * 100_000, "it is nested too deeply"),
    "deep objects": (b'{"a":' * 100_000, "it is nested too deeply"),
    "deep keys": (b'{"keys": ' + b"[" * 300 + b"]" * 300 + b"}", "a list must not contain lists"),
    "objects of 300 floors": (b'{"a":' * 300 + b"1" + b"}" * 300, "recursion limit exceeded"),
    # not a request
    "null": (b"null", "Input should be an object"),
    "a number": (b"1", "Input should be an object"),
    "a text": (b'"keys"', "Input should be an object"),
    "a list": (b'["a.pdf"]', "Input should be an object"),
    "an empty object": (b"{}", "exactly one of keys, entries, prefix, entriesFrom"),
    "null for keys": (b'{"keys": null}', "keys: Input should be a valid"),
    "5,000 digits": (
        b'{"keys": ["a"], "maxArchiveBytes": ' + b"9" * 5_000 + b"}",
        "number out of range at line 1 column",
    ),
    "more than a double": (b'{"keys": ["a"], "maxArchiveBytes": 1e999}', "maxArchiveBytes: "),
    "a fraction": (b'{"keys": ["a"], "maxArchiveBytes": 67108864.5}', "maxArchiveBytes: "),
    "no bytes": (b'{"keys": ["a"], "maxArchiveBytes": -0}', "maxArchiveBytes: .*67108864"),
    "1,025 bytes of emoji": (
        json.dumps({"keys": ["\U0001f600" * 256 + "a"]}).encode(),
        "keys.0: .* at most 1,024 bytes of UTF-8",
    ),
    "an invisible field": (b'{"\\u202e\\u0000": 1}', r"\\u202e\\x00: Extra inputs"),
    "a field without end": (b'{"' + b"x" * 10_000 + b'": 1}', "x{60}…: Extra inputs"),
    "fields without end": (
        json.dumps({str(n): n for n in range(10_000)}).encode(),
        'One object has 10,000 members, the first is 0.* List what to zip in "keys"',
    ),
    # duplicate members
    "keys twice": (
        b'{"keys": ["a"], "keys": ["b"]}',
        "keys: appears twice in one object, and only one of them would count. Remove one",
    ),
    "one of them escaped": (b'{"keys": ["a"], "k\\u0065ys": ["b"]}', "keys: appears twice"),
    "the same thing twice": (b'{"keys": ["a"], "keys": ["a"]}', "keys: appears twice"),
    "a prefix twice": (
        b'{"prefix": "a/", "prefix": "b/"}',
        'appears twice in one object, as "a/" and "b/"',
    ),
    "an entry's key twice": (
        b'{"entries": [{"key": "a"}, {"key": "b", "key": "c"}]}',
        'key: appears twice in one object, as "b" and "c"',
    ),
    "deep down": (b'{"a": {"b": [{"c": {"d": 1, "d": 2}}]}}', "d: appears twice in one object"),
    "an empty name twice": (b'{"": 1, "": 2}', "appears twice in one object"),
    "the field's other name": (
        b'{"entries": [{"key": "a", "versionId": "1", "version_id": "2"}]}',
        "entries.0.version_id: Extra inputs are not permitted$",
    ),
}


class OneObject:
    """An S3 client with one object, which counts the bytes that are read."""

    def __init__(self, content: bytes) -> None:
        self.content = io.BytesIO(content)
        self.bytes_read = 0

    def get_object(self, **_: str) -> dict[str, Any]:
        return {"Body": self}

    def read(self, size: int = -1) -> bytes:
        data = self.content.read(size)
        self.bytes_read += len(data)
        return data

    def close(self) -> None:
        pass


def load(object_: OneObject) -> JobRequest:
    return RequestReader(cast("S3Client", object_)).load(ObjectRef(bucket="b", key="k.json"))


@pytest.mark.parametrize("name", CORPUS)
def test_a_hostile_request_is_rejected_with_a_message(name: str) -> None:
    body, sentence = CORPUS[name]
    with pytest.raises(InvalidRequest, match=sentence) as caught:
        parse_request(body)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize("name", CORPUS)
def test_a_hostile_manifest_has_the_same_problems(name: str) -> None:
    body, _ = CORPUS[name]
    with pytest.raises(InvalidManifest, match="^s3://b/k.json is not a valid manifest: ") as caught:
        load(OneObject(body))
    with pytest.raises(InvalidRequest) as same:
        parse_request(body)
    assert str(caught.value).endswith(str(same.value))
    assert caught.value.problems == same.value.problems


def test_a_manifest_of_50_mb_is_not_read_completely() -> None:
    manifest = OneObject(b" " * 50_000_000)
    with pytest.raises(InvalidManifest, match="more than 16,777,216 bytes. Split it"):
        load(manifest)
    assert manifest.bytes_read == MAX_REQUEST_BYTES + 1


def test_every_key_that_s3_accepts_is_parsed_unchanged() -> None:
    every = [chr(code) for code in range(0x110000) if not 0xD800 <= code < 0xE000]
    keys = tuple("".join(every[at : at + 256]) for at in range(0, len(every), 256))
    body = json.dumps({"keys": keys}, ensure_ascii=False).encode()
    assert parse_request(body).keys == keys
    assert parse_request(b"\xef\xbb\xbf" + body).keys == keys


def test_equal_entries_are_accepted() -> None:
    body = b'{"entries": [{"key": "a", "name": "x"}, {"key": "a", "name": "x"}]}'
    assert parse_request(body).count == 2


def test_a_request_lists_at_most_a_million_keys() -> None:
    assert (
        parse_request(filled(b'{"keys":[', b'"a"', b"]}", 4 * MAX_REQUEST_ENTRIES)).count == 999_997
    )
    with pytest.raises(InvalidRequest, match="lists more than 1,000,000 .* name it in entriesFrom"):
        parse_request(filled(b'{"keys":[', b'"a"', b"]}", 4 * MAX_REQUEST_ENTRIES + 30))


def test_an_invalid_key_is_found_in_a_long_list() -> None:
    keys = [f"uploads/{number:09}.pdf" for number in range(100_000)]
    keys[77_777] = ""
    with pytest.raises(InvalidRequest, match=r"^keys.77777: String should have at least 1 char"):
        parse_request(json.dumps({"keys": keys}).encode())


def test_the_line_of_an_entry_is_found_in_a_long_list() -> None:
    entries = [f'{{"key": "uploads/{number:09}.pdf"}}' for number in range(100_000)]
    entries[77_777] = '{"key": ""}'
    body = '{"prefix": null, "entries": [\n' + ",\n".join(entries) + "]}"
    with pytest.raises(InvalidRequest, match=r"^entries.77777.key \(line 77,779\): ") as caught:
        parse_request(body.encode())
    assert [one.line for one in caught.value.problems] == [77_779]


def bulky() -> dict[str, bytes]:
    """Return large requests with millions of errors."""
    return {
        "keys of two letters": filled(b'{"keys":[', b'"ab"', b"]}"),
        "lists for keys": filled(b'{"keys":[', b"[]", b"]}"),
        "objects for keys": filled(b'{"keys":[', b'{"":1}', b"]}"),
        "numbers for keys": filled(b'{"keys":[', b"1", b"]}"),
        "a list for a request": filled(b"[", b"[]", b"]", 3 * MAX_REQUEST_ENTRIES),
        "lists in an entry": filled(
            b'{"entries":[{"key":[', b"[]", b"]}]}", 3 * MAX_REQUEST_ENTRIES
        ),
        "wrong entries": filled(b'{"entries":[', b'{"":1,"a":2}', b"]}", 12 * MAX_REQUEST_ENTRIES),
        "wrong keys": filled(b'{"keys":[', b'""', b"]}", 3 * MAX_REQUEST_ENTRIES),
        "a wrong key behind two letters": filled(
            b'{"keys":[', b'"ab"', b',""]}', 5 * MAX_REQUEST_ENTRIES - 9
        ),
        "wrong keys in lines": filled(b'{"keys":[', b'\n""', b"]}", 3 * MAX_REQUEST_ENTRIES),
        "wrong globs": filled(b'{"prefix":"","include":[', b'""', b"]}", 3 * MAX_REQUEST_ENTRIES),
        "members": b"{" + b",".join(b'"%x":1' % number for number in range(1_000_000)) + b"}",
        "digits": b'{"maxArchiveBytes":' + b"9" * (MAX_REQUEST_BYTES - 20) + b"}",
        "a field": b'{"' + b"x" * (MAX_REQUEST_BYTES - 6) + b'":1}',
        "opening brackets": b"[" * MAX_REQUEST_BYTES,
        "blanks": b" " * MAX_REQUEST_BYTES,
    }


def refuse_bulky() -> None:
    """Parse all large requests within the memory of the zipper."""
    resource.setrlimit(resource.RLIMIT_DATA, (ZIPPER_BYTES, ZIPPER_BYTES))
    for name, body in bulky().items():
        assert len(body) <= MAX_REQUEST_BYTES, name
        with pytest.raises(InvalidRequest) as caught:
            parse_request(body)
        assert len(str(caught.value)) < 500, name


def test_a_hostile_request_fits_into_the_functions_memory() -> None:
    done = subprocess.run(
        [sys.executable, "-c", f"from {__name__} import refuse_bulky; refuse_bulky()"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


# Any input is parsed or raises InvalidRequest


ANY_TEXT = st.text(st.characters(codec="utf-8"), max_size=8)
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(ANY_TEXT, inner, max_size=4),
    max_leaves=10,
)
FIELDS = ("keys", "entries", "prefix", "include", "entriesFrom", "maxArchiveBytes", "compression")
ANY_REQUEST = st.dictionaries(st.sampled_from(FIELDS), ANY_JSON, max_size=3) | st.builds(
    lambda entry: {"entries": [entry]},
    st.dictionaries(st.sampled_from(["key", "name", "bucket", "versionId", "a"]), ANY_JSON),
)


def parses(body: bytes) -> JobRequest | None:
    try:
        return parse_request(body)
    except InvalidRequest as error:
        message = str(error)
    assert message.isprintable(), message
    assert len(message) < 1000, message
    return None


@given(ANY_JSON | ANY_REQUEST, st.booleans(), st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]))
def test_any_json_is_a_request_or_rejected(content: Any, is_ascii: bool, encoding: str) -> None:
    text = json.dumps(content, ensure_ascii=is_ascii)
    parses(text.encode(encoding, errors="surrogatepass"))


@given(
    st.sampled_from(
        [GOOD, '{"entries": [{"key": "a", "name": "\\ud83d\\ude00"}], "prefix": null}']
    ),
    st.lists(st.tuples(st.integers(0, 80), st.integers(0, 3), st.binary(max_size=3)), max_size=4),
)
def test_any_damage_is_rejected_or_harmless(
    text: str, damages: list[tuple[int, int, bytes]]
) -> None:
    body = text.encode()
    for at, length, new in damages:
        body = body[:at] + new + body[at + length :]
    parses(body)


@given(st.binary(max_size=64))
def test_any_bytes_are_a_request_or_rejected(body: bytes) -> None:
    parses(body)


class Members(list[tuple[str, Any]]):
    """The members of a JSON object in order, with duplicates."""


def written(content: Any) -> str:
    match content:
        case Members():
            members = (f"{json.dumps(name)}: {written(value)}" for name, value in content)
            return f"{{{', '.join(members)}}}"
        case list():
            return f"[{', '.join(map(written, content))}]"
        case _:
            return json.dumps(content)


def has_double(content: Any) -> bool:
    match content:
        case Members():
            names = [name for name, _ in content]
            return len(set(names)) < len(names) or any(has_double(value) for _, value in content)
        case list():
            return any(map(has_double, content))
        case _:
            return False


@given(
    st.lists(
        st.lists(
            st.tuples(st.sampled_from(["key", "name", "versionId"]), st.sampled_from("ab")),
            max_size=4,
        ).map(lambda members: Members([("key", "a"), *members])),
        min_size=1,
        max_size=4,
    ),
    st.lists(st.just(("prefix", None)), max_size=2),
)
def test_duplicate_members_are_always_rejected(
    entries: list[Members], others: list[tuple[str, Any]]
) -> None:
    document = Members([*others, ("entries", entries)])
    request = parses(written(document).encode())
    assert (request is None) == has_double(document)
    assert request is None or request.count == len(entries)


def is_read(body: str) -> bool:
    try:
        return isinstance(parse_message(body), Submission)
    except UnknownMessage:
        return False


@given(st.text() | st.text(st.characters(categories=["Cs", "Ll", "Po"])))
def test_any_text_on_the_queue_is_a_message_or_unknown(body: str) -> None:
    is_read(body)


MESSAGE_FIELDS = ("job_id", "jobId", "trigger", "request", "submittedAt", "segment", "detail")


@given(
    st.dictionaries(st.sampled_from([*MESSAGE_FIELDS, "time"]), ANY_JSON),
    st.sampled_from(["bucket", "object", "detail", "time", "detail-type"]),
    ANY_JSON,
)
def test_any_json_on_the_queue_is_a_message_or_unknown(
    change: dict[str, Any], field: str, value: Any
) -> None:
    event = json.loads(EVENT)
    event["detail" if field in event["detail"] else field] = {**event["detail"], field: value}
    for content in (change, {**json.loads(EVENT), **change}, event, value):
        is_read(json.dumps(content))


@pytest.mark.parametrize(
    "body",
    ["[" * 100_000, '{"detail":' * 100_000, "9" * 10_000, "\ud800", '{"jobId": "\ud800"}', "\0"],
)
def test_a_hostile_message_is_unknown(body: str) -> None:
    with pytest.raises(UnknownMessage):
        parse_message(body)
