"""Checks of a request's JSON that run before the schema."""

import json
from typing import Any, NoReturn

from zipjobs.errors import FieldProblem, InvalidRequest
from zipjobs.requests.json_pointers import duplicate_line

MAX_REQUEST_ENTRIES = 1_000_000
"""Keys or entries in one request. Parsing takes about 600 bytes of memory for each."""

MAX_MEMBERS = 32
"""Members of one JSON object, more than any object of a request has."""

SPLIT_HINT = "Split it into several jobs, or store the list in S3 and name it in entriesFrom."

_MAX_EXCERPT_CHARS = 60


def precheck(data: bytes) -> None:
    """Check JSON for problems that the schema cannot find. Raises InvalidRequest.

    Rejects text that is not UTF-8, members that appear twice (the schema would use the last one),
    and lists that are too long for the memory of the function. No objects are kept.
    """
    if not data.strip():
        _reject('the request is empty. Send an object, such as {"keys": ["a.pdf"]}')
    encoding = json.detect_encoding(data)
    if not encoding.startswith("utf-8"):
        _reject(f"the encoding is {encoding.upper()}. Save the file as UTF-8")
    counter = _Counter()
    try:
        document = json.loads(
            data.decode(),
            object_pairs_hook=counter.add_object,
            parse_constant=_reject_constant,
            parse_int=str,
            parse_float=str,
        )
    except UnicodeDecodeError as error:
        _reject(f"byte {error.start + 1:,} is not valid UTF-8. Save the file as UTF-8")
    except json.JSONDecodeError as error:
        message = error.msg.removesuffix(" at")
        _reject(
            f"{message} at line {error.lineno} column {error.colno}. Fix the syntax", error.lineno
        )
    except DuplicateMember as error:
        raise _with_line(error, data.decode()) from None
    except RecursionError:
        _reject("it is nested too deeply. A request is one object that contains lists")
    if isinstance(document, list):
        counter.add_list("The request", document)


def _reject(problem: str, line: int | None = None) -> NoReturn:
    detail = f"Invalid JSON: {problem}."
    raise InvalidRequest(detail, [FieldProblem(detail=detail, line=line)])


def _reject_constant(constant: str) -> NoReturn:
    _reject(f"{constant} is not a JSON number. Remove the field, or give it a value")


class DuplicateMember(InvalidRequest):
    """An object has two members called ``name``."""

    def __init__(self, message: str, name: str) -> None:
        super().__init__(message, [FieldProblem(detail=message)])
        self.name = name


def _with_line(error: DuplicateMember, text: str) -> InvalidRequest:
    """Return the error with the line of the second member, if it can be found."""
    line = duplicate_line(text, error.name)
    is_multiline = "\n" in text.strip()
    message = f"Line {line:,}: {error}" if line is not None and is_multiline else str(error)
    return InvalidRequest(message, [FieldProblem(detail=str(error), line=line)])


def unique_members(members: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return the members of an object by name. Raises DuplicateMember."""
    values = dict(members)
    if len(values) < len(members):
        raise _duplicate(members)
    return values


def _duplicate(members: list[tuple[str, Any]]) -> DuplicateMember:
    values: dict[str, Any] = {}
    for name, value in members:
        if name in values:
            texts = [text for text in (values[name], value) if isinstance(text, str)]
            quoted = " and ".join(f'"{excerpt(text)}"' for text in texts)
            return DuplicateMember(
                f"{excerpt(name)}: appears twice in one object{quoted and f', as {quoted}'}, and "
                "only one of them would count. Remove one, or merge them.",
                name,
            )
        values[name] = value
    raise AssertionError("no member appears twice")


class _Counter:
    """Counts the objects and list items of a document while it is parsed."""

    def __init__(self) -> None:
        self._objects = 0
        self._items = 0

    def add_object(self, members: list[tuple[str, Any]]) -> None:
        """Count an object and its lists. Raises InvalidRequest if a limit is exceeded."""
        unique_members(members)
        if len(members) > MAX_MEMBERS:
            raise InvalidRequest(
                f"One object has {len(members):,} members, the first is {excerpt(members[0][0])}. "
                'No object of a request has that many. List what to zip in "keys".'
            )
        self._objects += 1
        self._check(self._objects - 1)  # the request itself is an object
        for name, value in members:
            if isinstance(value, list):
                self.add_list(excerpt(name), value)

    def add_list(self, name: str, items: list[Any]) -> None:
        """Count the items of a list. Raises InvalidRequest if a limit is exceeded."""
        if list in set(map(type, items)):
            raise InvalidRequest(
                f"{name}: a list must not contain lists. List keys, or objects with a key."
            )
        self._items += len(items)
        self._check(self._items)

    def _check(self, count: int) -> None:
        if count > MAX_REQUEST_ENTRIES:
            raise InvalidRequest(
                f"The request lists more than {MAX_REQUEST_ENTRIES:,} keys or entries. {SPLIT_HINT}"
            )


def excerpt(text: str) -> str:
    """Return untrusted ``text`` for use in a message: shortened, with invisible characters
    escaped.
    """
    short = text if len(text) <= _MAX_EXCERPT_CHARS else f"{text[:_MAX_EXCERPT_CHARS]}…"
    return printable(short)


def printable(text: str) -> str:
    """Return ``text`` with characters that are not printable escaped."""
    return text if text.isprintable() else ascii(text)[1:-1]
