"""Makes the request of a job from what a person has at hand."""

import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from zipjobs_cli.errors import CliError

STDIN = "-"
_S3 = "s3://"

Request = dict[str, Any]
"""As docs/api.md describes it."""


def of_keys(keys: Iterable[str]) -> Request:
    """Keys of the source bucket, or ``s3://bucket/key`` of any."""
    keys = list(keys)
    if not any(key.startswith(_S3) for key in keys):
        return {"keys": keys}
    return {"entries": [_entry(key) for key in keys]}


def _entry(key: str) -> dict[str, str]:
    if not key.startswith(_S3):
        return {"key": key}
    bucket, _, rest = key.removeprefix(_S3).partition("/")
    if not bucket or not rest:
        raise CliError(f"{key!r} names no object: s3://bucket/key does.")
    return {"bucket": bucket, "key": rest}


def read(path: Path) -> Request:
    """A request from a file, or from standard input if ``path`` is ``-``.

    It is a request in JSON, or a list: a line for each key, as ``of_keys`` takes them, or for each
    entry as a JSON object. Blank lines are skipped. Raises CliError.
    """
    source = "Standard input" if str(path) == STDIN else str(path)
    try:
        data = sys.stdin.buffer.read() if str(path) == STDIN else path.read_bytes()
        text = data.decode("utf-8-sig")
    except OSError as error:
        raise CliError(f"{source} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise CliError(f"{source} is not UTF-8: byte {error.start + 1:,} is wrong.") from error
    if text.lstrip().startswith("{"):
        return _of_json(text, source)
    lines = [stripped for one in text.split("\n") if (stripped := one.rstrip("\r")).strip()]
    if not lines:
        raise CliError(f"{source} lists nothing.")
    return of_keys(lines)


def _of_json(text: str, source: str) -> Request:
    try:
        whole = json.loads(text)
    except ValueError:
        return {"entries": [_object(line, source, i) for i, line in _lines(text)]}
    return {"entries": [whole]} if "key" in whole else dict(whole)


def _lines(text: str) -> Iterable[tuple[int, str]]:
    return ((i, line) for i, line in enumerate(text.split("\n"), 1) if line.strip())


def _object(line: str, source: str, number: int) -> dict[str, Any]:
    try:
        entry = json.loads(line)
    except ValueError as error:
        raise CliError(f"{source} is not JSON: line {number:,}, {error}.") from error
    if not isinstance(entry, dict):
        raise CliError(f"{source}: line {number:,} is no JSON object, as those before it are.")
    return entry


def with_options(request: Request, options: Mapping[str, Any]) -> Request:
    """The request with these fields too; what is None or empty was not given."""
    given = {name: value for name, value in options.items() if value not in (None, [], ())}
    return {**request, **given}
