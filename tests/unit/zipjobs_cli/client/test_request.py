"""The request of a job, from what a person has at hand."""

import io
import json
import sys
from enum import StrEnum
from pathlib import Path
from typing import Any, get_args

import pytest

from zipjobs.jobs.job import Status
from zipjobs.requests.fields import Compression, Naming, OnDuplicate, OnMissing
from zipjobs_cli.client.request import of_keys, read, with_options
from zipjobs_cli.commands import status, submit
from zipjobs_cli.errors import CliError


def test_keys_are_keys_and_addresses_are_entries() -> None:
    assert of_keys(["a.pdf", "b c.pdf"]) == {"keys": ["a.pdf", "b c.pdf"]}
    assert of_keys(["a.pdf", "s3://other/b/c.pdf"]) == {
        "entries": [{"key": "a.pdf"}, {"bucket": "other", "key": "b/c.pdf"}]
    }
    with pytest.raises(CliError, match="'s3://other' names no object"):
        of_keys(["s3://other"])


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
    ],
)
def test_a_file_is_a_list_or_a_request(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, request_: dict[str, Any]
) -> None:
    path = tmp_path / "list"
    path.write_text(text)
    assert read(path) == request_
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    assert read(Path("-")) == request_


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "lists nothing"),
        (b"\n \n", "lists nothing"),
        (b"a\n\xff\n", "is not UTF-8: byte 3 is wrong"),
        (b'{"keys": [', "is not JSON: line 1"),
        (b'{"key": "a"}\n[1]\n', "line 2 is no JSON object"),
        (b'{"key": "a"}\n{"key"\n', "is not JSON: line 2"),
    ],
)
def test_what_is_neither_is_a_clear_error(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "list"
    path.write_bytes(content)
    with pytest.raises(CliError, match=said):
        read(path)


def test_a_file_that_is_not_there_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(CliError, match="nope cannot be read: No such file"):
        read(tmp_path / "nope")
    with pytest.raises(CliError, match="cannot be read: Is a directory"):
        read(tmp_path)


def test_options_are_added_and_count_more_than_the_file() -> None:
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
        (submit.OnDuplicate, OnDuplicate),
        (status.Status, Status),
    ],
)
def test_the_choices_are_those_of_the_service(choices: Any, values: type[StrEnum]) -> None:
    assert set(get_args(choices)) == {str(value) for value in values}
