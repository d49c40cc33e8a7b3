"""Looks through JSON that strangers wrote, before the schema does."""

import json
from typing import Any, NoReturn

from zipjobs.errors import FieldProblem, InvalidRequest
from zipjobs.requests.json_pointers import line_of_second

MAX_ENTRIES = 1_000_000
"""Keys or entries in one request: each takes 600 bytes of memory while it is read."""

MAX_MEMBERS = 32
"""Of one JSON object: more than any object of a request has."""

SEVERAL = "Split it into several jobs, or put the list in S3 and name it as entriesFrom."
"""What to do about too much of anything."""

_MAX_SHOWN_CHARS = 60


def precheck(data: bytes) -> None:
    """Refuse what the schema does not see, or would take gigabytes to refuse.

    That is: what is not UTF-8, members given twice, of which the schema would see the last one
    only, and more values than a request may have. Keeps the strings of one list at the most.
    """
    if not data.strip():
        _refuse('the request is empty. Send an object, such as {"keys": ["a.pdf"]}')
    encoding = json.detect_encoding(data)
    if not encoding.startswith("utf-8"):
        _refuse(f"it must be UTF-8, and it is {encoding.upper()}. Save it as UTF-8")
    counter = _Counter()
    try:
        document = json.loads(
            data.decode(),
            object_pairs_hook=counter.see_object,
            parse_constant=_refuse_constant,
            parse_int=str,
            parse_float=str,
        )
    except UnicodeDecodeError as error:
        _refuse(f"it must be UTF-8, and byte {error.start + 1:,} is not. Save it as UTF-8")
    except json.JSONDecodeError as error:
        what = error.msg.removesuffix(" at")
        where = f"{what} at line {error.lineno} column {error.colno}"
        _refuse(f"{where}. Correct it there", error.lineno)
    except DuplicateKey as twice:
        raise _placed(twice, data.decode()) from None
    except RecursionError:
        _refuse("it is nested too deeply. A request is one object with lists in it")
    if isinstance(document, list):
        counter.see_list("The request", document)


def _refuse(problem: str, line: int | None = None) -> NoReturn:
    detail = f"Invalid JSON: {problem}."
    raise InvalidRequest(detail, problems=[FieldProblem(detail, line=line)])


def _refuse_constant(constant: str) -> NoReturn:
    _refuse(f"{constant} is no number. Leave the field out, or give it a value")


class DuplicateKey(InvalidRequest):
    """An object has two members of that ``name``."""

    def __init__(self, message: str, name: str) -> None:
        super().__init__(message, [FieldProblem(message)])
        self.name = name


def _placed(twice: DuplicateKey, text: str) -> InvalidRequest:
    """The same with the line of the second one, if that is found."""
    line = line_of_second(text, twice.name)
    is_told = line is not None and "\n" in text.strip()
    message = f"Line {line:,}: {twice}" if is_told else str(twice)
    return InvalidRequest(message, [FieldProblem(str(twice), line=line)])


def once(members: list[tuple[str, Any]]) -> dict[str, Any]:
    """The members of an object, by name. Raises DuplicateKey."""
    given = dict(members)
    if len(given) < len(members):
        raise _repetition(members)
    return given


class _Counter:
    """Looks at every object and list of a document that is read, and keeps none of the objects."""

    def __init__(self) -> None:
        self._objects = 0
        self._listed = 0

    def see_object(self, members: list[tuple[str, Any]]) -> None:
        """Raise InvalidRequest, if there are too many of them, or two of one name."""
        given = once(members)
        if len(given) > MAX_MEMBERS:
            raise InvalidRequest(
                f"One object has {len(given):,} members, {shown(members[0][0])} the first; a "
                'request has no object like that. List what to zip in "keys".'
            )
        self._objects += 1
        self._require(self._objects - 1)
        for name, value in members:
            if isinstance(value, list):
                self.see_list(shown(name), value)

    def see_list(self, name: str, items: list[Any]) -> None:
        """Raise InvalidRequest, if there are too many of them, or lists."""
        if list in set(map(type, items)):
            raise InvalidRequest(
                f"{name}: there is a list in the list. List keys, or objects with a key."
            )
        self._listed += len(items)
        self._require(self._listed)

    def _require(self, count: int) -> None:
        if count > MAX_ENTRIES:
            raise InvalidRequest(
                f"The request lists more than {MAX_ENTRIES:,} keys or entries. {SEVERAL}"
            )


def _repetition(members: list[tuple[str, Any]]) -> DuplicateKey:
    given: dict[str, Any] = {}
    for name, value in members:
        if name in given:
            both = (given[name], value)
            values = " and ".join(f'"{shown(one)}"' for one in both if isinstance(one, str))
            return DuplicateKey(
                f"{shown(name)}: given twice in one object{values and f', as {values}'}; only one "
                "of them would count. Give it once, with all that belongs to it.",
                name,
            )
        given[name] = value
    raise AssertionError("no member is given twice")


def shown(text: str) -> str:
    """Somebody's ``text`` as it may stand in a sentence: short, with nothing invisible in it."""
    return visible(text if len(text) <= _MAX_SHOWN_CHARS else f"{text[:_MAX_SHOWN_CHARS]}…")


def visible(text: str) -> str:
    """``text``, with what cannot be seen written as escapes."""
    return text if text.isprintable() else ascii(text)[1:-1]
