"""Requests from keys, files and options."""

import io
import json
import sys
from enum import StrEnum
from pathlib import Path
from typing import Any, get_args

import pytest

from zipjobs.jobs.job import Status
from zipjobs.requests.fields import Compression, Naming, OnDuplicate, OnMissing, OnUnreadable
from zipjobs_cli.client.request import from_keys, read_request, with_options
from zipjobs_cli.commands import jobs, submit
from zipjobs_cli.errors import CliError


def test_keys_and_s3_urls() -> None:
    assert from_keys(["a.pdf", "b c.pdf"]) == {"keys": ["a.pdf", "b c.pdf"]}
    assert from_keys(["a.pdf", "s3://other/b/c.pdf"]) == {
        "entries": [{"key": "a.pdf"}, {"bucket": "other", "key": "b/c.pdf"}]
    }
    with pytest.raises(CliError, match="'s3://other' has no bucket or no key"):
        from_keys(["s3://other"])


@pytest.mark.parametrize(
    ("text", "request_"),
    [
        ("a.pdf\nb.pdf\n", {"keys": ["a.pdf", "b.pdf"]}),
        ("\ufeffa.pdf\r\n\r\n größe .pdf", {"keys": ["a.pdf", " größe .pdf"]}),
        ("s3://b/k\n", {"entries": [{"bucket": "b", "key": "k"}]}),
        (
            '{"keys": ["a"],\n "compression": "deflate"}',
            {"keys": ["a"], "compression": "deflate"},
        ),
        ('{"key": "a", "name": "b"}\n', {"entries": [{"key": "a", "name": "b"}]}),
        ('{"key": "a"}\n\n{"key": "b"}\n', {"entries": [{"key": "a"}, {"key": "b"}]}),
        ('{\n  "keys": ["a"]\n}\n', {"keys": ["a"]}),
        ("{6f9619ff}/a.pdf\nb.pdf\n", {"keys": ["{6f9619ff}/a.pdf", "b.pdf"]}),
        ("{}.pdf\n", {"keys": ["{}.pdf"]}),
        ("[draft].pdf\n", {"keys": ["[draft].pdf"]}),
    ],
)
def test_a_file_has_keys_entries_or_a_request(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, request_: dict[str, Any]
) -> None:
    path = tmp_path / "list"
    path.write_text(text)
    assert read_request(path) == request_
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    assert read_request(Path("-")) == request_


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "has no keys"),
        (b"\n \n", "has no keys"),
        (b"a\n\xff\n", "is not UTF-8: byte 3"),
        (b'{"keys": [', "is not JSON: line 1"),
        (b'{"key": "a"}\n[1]\n', "line 2 is not a JSON object"),
        (b'{"key": "a"}\n{"key"\n', "is not JSON: line 2"),
    ],
)
def test_the_error_says_where_a_file_is_invalid(
    tmp_path: Path, content: bytes, message: str
) -> None:
    path = tmp_path / "list"
    path.write_bytes(content)
    with pytest.raises(CliError, match=message):
        read_request(path)


def test_missing_files_and_folders_are_errors(tmp_path: Path) -> None:
    with pytest.raises(CliError, match="nope cannot be read: No such file"):
        read_request(tmp_path / "nope")
    with pytest.raises(CliError, match="cannot be read: Is a directory"):
        read_request(tmp_path)


def test_options_override_the_file() -> None:
    request = with_options(
        {"prefix": "a/", "compression": "store"},
        {"compression": "deflate", "include": ["*.pdf"], "exclude": [], "naming": None},
    )
    assert request == {"prefix": "a/", "compression": "deflate", "include": ["*.pdf"]}
    assert json.dumps(with_options({"keys": ["a"]}, {"include": None})) == '{"keys": ["a"]}'


@pytest.mark.parametrize(
    ("choices", "values"),
    [
        (submit.Naming, Naming),
        (submit.Compression, Compression),
        (submit.OnMissing, OnMissing),
        (submit.OnUnreadable, OnUnreadable),
        (submit.OnDuplicate, OnDuplicate),
        (jobs.Status, Status),
    ],
)
def test_choices_match_the_service(choices: Any, values: type[StrEnum]) -> None:
    assert set(get_args(choices)) == {str(value) for value in values}
