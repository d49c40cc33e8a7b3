"""Lists are streamed: memory, interrupted reads and any key."""

import csv
import gzip
import hashlib
import io
import json
import re
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

import pytest
from botocore.exceptions import ClientError, ResponseStreamingError
from hypothesis import given
from hypothesis import strategies as st

from zipjobs.errors import ServiceUnavailable, SourceChanged
from zipjobs.requests.allow_list import AllowList, Location
from zipjobs.requests.lists.formats import inventory_rows
from zipjobs.requests.lists.lines import Lines, ReadLimit
from zipjobs.requests.schema import JobRequest
from zipjobs.requests.sources import SourceReader
from zipjobs.s3.ranged_file import RANGE_BYTES
from zipjobs.s3.retry import LIST_READ_ATTEMPTS
from zipjobs.s3.source import Source

POLICY = AllowList("src", "dst", "zips/", (Location("src"),), (Location("dst"),))
REQUEST = JobRequest(entries_from="s3://src/list")
MIB = 1024 * 1024
ROOT = Path(__file__).parents[3]


class Breaking(io.BytesIO):
    """A response body whose connection breaks."""

    def read(self, size: int | None = -1, /) -> bytes:
        raise ResponseStreamingError(error="connection broken")


class OneObject:
    """An S3 client with one object. The first ``breaks`` response bodies are interrupted."""

    def __init__(self, content: bytes, breaks: int = 0) -> None:
        self.content = content
        self.ranges: list[str] = []
        self._breaks = breaks

    def get_object(self, *, Range: str, IfMatch: str | None = None, **_: Any) -> Any:  # noqa: N803
        etag = f'"{hashlib.md5(self.content).hexdigest()}"'
        if IfMatch not in (None, etag):
            response: Any = {
                "Error": {"Code": "PreconditionFailed"},
                "ResponseMetadata": {"HTTPStatusCode": 412},
            }
            raise ClientError(response, "GetObject")
        self.ranges.append(Range)
        first, last = map(int, re.findall(r"\d+", Range))
        body = io.BytesIO(self.content[first : last + 1])
        if self._breaks:
            self._breaks -= 1
            body = Breaking()
        return {
            "Body": body,
            "ETag": etag,
            "ContentRange": f"bytes {first}-{last}/{len(self.content)}",
        }


def lists_of(s3: OneObject) -> SourceReader:
    return SourceReader(s3, POLICY)  # type: ignore[arg-type]


def many_rows(count: int) -> bytes:
    """Return JSON Lines that gzip cannot compress well."""
    keys = (hashlib.sha256(str(number).encode()).hexdigest() for number in range(count))
    return b"".join(json.dumps({"key": key, "size": 1}).encode() + b"\n" for key in keys)


KEYS = st.lists(st.text(st.characters(codec="utf-8"), min_size=1, max_size=50), min_size=1)


@given(KEYS)
def test_any_key_can_be_in_csv(keys: list[str]) -> None:
    text = io.StringIO()
    csv.writer(text).writerows(["src", key, 5] for key in keys)
    s3 = OneObject(text.getvalue().encode())
    assert [listed.key for listed in lists_of(s3).read(REQUEST, "src")] == keys


@given(KEYS, st.booleans())
def test_any_key_can_be_in_json_lines(keys: list[str], ascii_only: bool) -> None:
    rows = "\n".join(json.dumps({"key": key}, ensure_ascii=ascii_only) for key in keys)
    s3 = OneObject(rows.encode())
    assert [listed.key for listed in lists_of(s3).read(REQUEST, "src")] == keys


@given(KEYS)
def test_any_key_can_be_in_an_inventory(keys: list[str]) -> None:
    rows = "".join(f'"src","{quote_plus(key + ".pdf")}"\n' for key in keys)
    s3: Any = OneObject(gzip.compress(rows.encode()))
    lines = Lines(s3, Source("src", "data.csv.gz"), ReadLimit())
    found = [row.key for row in inventory_rows(lines, ["Bucket", "Key"])]
    assert found == [f"{key}.pdf" for key in keys]


def peak_of_reading(pack: Callable[[bytes], bytes]) -> int:
    """Return the peak memory of reading a list of 100,000 rows, without the list itself."""
    rows = pack(many_rows(100_000))
    assert len(rows) > 3 * MIB
    lists = lists_of(OneObject(rows))
    tracemalloc.start()
    try:
        assert sum(1 for _ in lists.read(REQUEST, "src")) == 100_000
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("pack", ["bytes", "gzip.compress"])
def test_memory_does_not_grow_with_the_list(pack: str) -> None:
    """Measure in a separate process, because other threads also allocate memory."""
    code = f"import gzip; from {__name__} import peak_of_reading as peak; print(peak({pack}))"
    command = [sys.executable, "-c", code]
    printed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True, text=True).stdout
    assert int(printed) < 3 * MIB


def test_a_list_is_read_in_ranges_of_one_version() -> None:
    s3 = OneObject(many_rows(30_000))
    assert sum(1 for _ in lists_of(s3).read(REQUEST, "src")) == 30_000
    assert s3.ranges[0] == f"bytes=0-{RANGE_BYTES - 1}"
    assert len(s3.ranges) == -(-len(s3.content) // RANGE_BYTES)


def test_an_interrupted_range_is_retried() -> None:
    s3 = OneObject(b'{"key": "a"}\n', breaks=LIST_READ_ATTEMPTS - 1)
    assert [listed.key for listed in lists_of(s3).read(REQUEST, "src")] == ["a"]


def test_a_list_that_fails_repeatedly_is_a_transient_error() -> None:
    s3 = OneObject(b'{"key": "a"}\n', breaks=LIST_READ_ATTEMPTS)
    with pytest.raises(ServiceUnavailable, match="s3://src/list failed: .*connection broken"):
        list(lists_of(s3).read(REQUEST, "src"))


def test_a_list_that_changes_while_it_is_read_is_an_error() -> None:
    s3 = OneObject(many_rows(30_000))
    listed = lists_of(s3).read(REQUEST, "src")
    next(listed)
    s3.content = many_rows(30_001)
    with pytest.raises(SourceChanged, match="s3://src/list changed"):
        list(listed)
