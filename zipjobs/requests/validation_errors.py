"""Turns pydantic's validation errors into messages, JSON pointers and line numbers."""

import re
from collections.abc import Sequence

from pydantic import ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from zipjobs.errors import FieldProblem, InvalidRequest
from zipjobs.requests.json_pointers import Path, line_at, pointer_to
from zipjobs.requests.strict_json import excerpt, printable

MAX_REPORTED_ERRORS = 5

_SYNTAX_ERROR = re.compile(r" at line (\d+) column \d+$")


def request_error(code: str, message: str, field: str = "") -> PydanticCustomError:
    """Return the error of a model validator. ``field`` is the field that should change."""
    return PydanticCustomError(code, "{message}", {"message": message, "field": field})


def format_errors(error: ValidationError) -> str:
    """Return a message with the first ``MAX_REPORTED_ERRORS`` fields and their problems."""
    errors = _relevant_errors(error)
    return _join([_sentence(one, None) for one in errors[:MAX_REPORTED_ERRORS]], len(errors))


def invalid_request(error: ValidationError, data: bytes) -> InvalidRequest:
    """Return the error of a request, with the positions of invalid fields in its JSON.

    The message contains line numbers only if ``data`` has several lines.
    """
    text = data.decode()
    is_multiline = "\n" in text.strip()
    errors = _relevant_errors(error)
    problems, sentences = [], []
    for one in errors[:MAX_REPORTED_ERRORS]:
        problem = _field_problem(one, text)
        problems.append(problem)
        has_line = is_multiline and problem.pointer is not None
        sentences.append(_sentence(one, problem.line if has_line else None))
    return InvalidRequest(_join(sentences, len(errors)), problems)


def _relevant_errors(error: ValidationError) -> list[ErrorDetails]:
    """Return the errors, except that a list is too short because its items are invalid."""
    errors = error.errors(include_url=False, include_input=False)
    parents = {one["loc"][:1] for one in errors if len(one["loc"]) > 1}
    return [one for one in errors if one["type"] != "too_short" or one["loc"] not in parents]


def _field_problem(error: ErrorDetails, text: str) -> FieldProblem:
    detail = _detail(error)
    if syntax := _SYNTAX_ERROR.search(detail):
        return FieldProblem(detail=detail, line=int(syntax[1]))
    field = error.get("ctx", {}).get("field", "")
    path: Path = error["loc"] or ((field,) if field else ())
    line = line_at(text, path) if path else None
    return FieldProblem(detail=detail, pointer=pointer_to(path), line=line)


def _detail(error: ErrorDetails) -> str:
    if error["type"] == "unexpected_keyword_argument":  # a dataclass; models have this message:
        return "Extra inputs are not permitted"
    return printable(error["msg"].removeprefix("Value error, "))


def _sentence(error: ErrorDetails, line: int | None) -> str:
    field = ".".join(excerpt(str(step)) for step in error["loc"])
    if line is not None:
        field = f"{field} (line {line:,})" if field else f"Line {line:,}"
    return f"{field}: {_detail(error)}" if field else _detail(error)


def _join(sentences: Sequence[str], count: int) -> str:
    more = [f"and {count - len(sentences):,} more"] if count > len(sentences) else []
    return "; ".join([*sentences, *more])
