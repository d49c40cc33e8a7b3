"""Build the request of a job from keys, files and options."""

import json
import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from zipjobs_cli.errors import CliError

STDIN = "-"
_S3 = "s3://"

_JSON_START = re.compile(r"\s*\{\s*(\"|\}\s*$)")

Request = dict[str, Any]
"""A request as docs/api.md describes it."""


def from_keys(keys: Iterable[str]) -> Request:
    """Return a request for keys of the source bucket and ``s3://bucket/key`` URLs."""
    keys = list(keys)
    if not any(key.startswith(_S3) for key in keys):
        return {"keys": keys}
    return {"entries": [_entry(key) for key in keys]}


def _entry(key: str) -> dict[str, str]:
    if not key.startswith(_S3):
        return {"key": key}
    bucket, _, rest = key.removeprefix(_S3).partition("/")
    if not bucket or not rest:
        raise CliError(f"{key!r} has no bucket or no key. Use s3://bucket/key.")
    return {"bucket": bucket, "key": rest}


def read_request(path: Path) -> Request:
    """Read a request from a file, or from standard input if ``path`` is ``-``.

    The file contains a request as JSON, or one key, ``s3://`` URL or entry (as a JSON object) per
    line. Blank lines are ignored. It is JSON if it starts as a JSON object does: with a brace and
    a quoted name. Raises CliError.
    """
    source = "Standard input" if str(path) == STDIN else str(path)
    try:
        data = sys.stdin.buffer.read() if str(path) == STDIN else path.read_bytes()
        text = data.decode("utf-8-sig")
    except OSError as error:
        raise CliError(f"{source} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise CliError(f"{source} is not UTF-8: byte {error.start + 1:,} is invalid.") from error
    if _JSON_START.match(text):
        return _parse_json(text, source)
    keys = [stripped for one in text.split("\n") if (stripped := one.rstrip("\r")).strip()]
    if not keys:
        raise CliError(f"{source} has no keys.")
    return from_keys(keys)


def _parse_json(text: str, source: str) -> Request:
    try:
        whole = json.loads(text)
    except ValueError:
        lines = enumerate(text.split("\n"), 1)
        return {"entries": [_parse_line(line, source, i) for i, line in lines if line.strip()]}
    return {"entries": [whole]} if "key" in whole else dict(whole)


def _parse_line(line: str, source: str, number: int) -> dict[str, Any]:
    try:
        entry = json.loads(line)
    except ValueError as error:
        raise CliError(
            f"{source} is not JSON: line {number:,}, {error}. It was read as JSON because it "
            "starts like JSON. If it lists keys, write them as s3://bucket/key."
        ) from error
    if not isinstance(entry, dict):
        raise CliError(f"{source}: line {number:,} is not a JSON object.")
    return entry


def with_options(request: Request, options: Mapping[str, Any]) -> Request:
    """Return the request with the options that were given: not None, False or empty."""
    given = {
        name: value
        for name, value in options.items()
        if value is not None and value is not False and value not in ([], (), {})
    }
    return {**request, **given}
