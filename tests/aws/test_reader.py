from collections.abc import Callable
from typing import Any
from unittest.mock import patch

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from zipjobs.archive.reader import ObjectReader
from zipjobs.archive.source import Source
from zipjobs.errors import (
    ServiceUnavailable,
    SourceArchived,
    SourceChanged,
    SourceForbidden,
    SourceNotFound,
)

Put = Callable[[str, bytes], str]


def ignore(size: int) -> None:
    return


@pytest.fixture
def reader(s3: Any) -> ObjectReader:
    return ObjectReader(s3)


def test_a_small_object_comes_whole_with_one_request(reader: ObjectReader, put: Put) -> None:
    etag = put("a.pdf", b"0123456789")
    head = reader.head(Source("src", "a.pdf"), 100, ignore)
    assert head.data == b"0123456789"
    assert (head.pinned.etag, head.pinned.size) == (etag, 10)


def test_of_a_large_object_the_first_bytes_come(reader: ObjectReader, put: Put) -> None:
    put("a.pdf", b"0123456789")
    head = reader.head(Source("src", "a.pdf"), 4, ignore)
    assert (head.data, head.pinned.size) == (b"0123", 10)
    assert reader.range(head.pinned, 4, 6) == b"456789"


def test_an_empty_object_has_no_range_but_can_be_pinned(reader: ObjectReader, put: Put) -> None:
    put("empty", b"")
    head = reader.head(Source("src", "empty"), 100, ignore)
    assert (head.data, head.pinned.size) == (b"", 0)


def test_memory_is_asked_for_once_and_before_the_body(reader: ObjectReader, put: Put) -> None:
    put("a.pdf", b"0123456789")
    put("empty", b"")
    asked: list[int] = []
    reader.head(Source("src", "a.pdf"), 4, asked.append)
    reader.head(Source("src", "a.pdf"), 100, asked.append)
    reader.head(Source("src", "empty"), 100, asked.append)
    assert asked == [4, 10, 0]


@pytest.mark.parametrize(
    "key", ["a//b", "./x", "a/../b", "/lead", "trail/", "sp ace+%.pdf", "ü", "a?b&c=d#e", "~*'()"]
)
def test_exactly_the_key_that_was_asked_for_is_read(
    reader: ObjectReader, put: Put, key: str
) -> None:
    put(key, key.encode())
    assert reader.head(Source("src", key), 100, ignore).data == key.encode()


def test_a_version_is_read_even_when_it_is_not_the_latest(
    reader: ObjectReader, s3: Any, put: Put
) -> None:
    s3.put_bucket_versioning(Bucket="src", VersioningConfiguration={"Status": "Enabled"})
    first = s3.put_object(Bucket="src", Key="a.pdf", Body=b"first")["VersionId"]
    put("a.pdf", b"second")
    assert reader.head(Source("src", "a.pdf", first), 100, ignore).data == b"first"


@pytest.mark.parametrize("source", [Source("src", "gone.pdf"), Source("no-such-bucket", "a")])
def test_what_is_missing_is_named(reader: ObjectReader, source: Source) -> None:
    with pytest.raises(SourceNotFound, match=str(source)):
        reader.head(source, 100, ignore)


def test_an_object_that_changes_between_two_reads_is_noticed(
    reader: ObjectReader, put: Put
) -> None:
    put("a.pdf", b"0123456789")
    pinned = reader.head(Source("src", "a.pdf"), 4, ignore).pinned
    put("a.pdf", b"9876543210")
    with pytest.raises(SourceChanged, match="a.pdf"):
        reader.range(pinned, 4, 6)


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("AccessDenied", SourceForbidden),
        ("InvalidObjectState", SourceArchived),
        ("SlowDown", ServiceUnavailable),
        ("InternalError", ServiceUnavailable),
    ],
)
def test_errors_of_s3_become_ours_by_their_code(
    reader: ObjectReader, s3: Any, code: str, error: type[Exception]
) -> None:
    refused = ClientError({"Error": {"Code": code, "Message": "x"}}, "GetObject")
    with patch.object(s3, "get_object", side_effect=refused), pytest.raises(error, match="a.pdf"):
        reader.head(Source("src", "a.pdf"), 100, ignore)


def test_a_broken_connection_may_heal(reader: ObjectReader, s3: Any) -> None:
    broken = ReadTimeoutError(endpoint_url="https://s3")
    with patch.object(s3, "get_object", side_effect=broken), pytest.raises(ServiceUnavailable):
        reader.head(Source("src", "a.pdf"), 100, ignore)
