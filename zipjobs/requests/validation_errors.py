"""What is wrong with a request, in words, and where."""

import re
from collections.abc import Iterable
from typing import NamedTuple

from pydantic import ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from zipjobs.errors import FieldProblem, InvalidRequest
from zipjobs.requests.json_pointers import Path, line_at, pointer_to
from zipjobs.requests.strict_json import shown, visible

MAX_REPORTED_ERRORS = 5

_SYNTAX = re.compile(r" at line (\d+) column \d+$")


class Violation(NamedTuple):
    """``field`` is empty where the whole is wrong; ``path`` leads to the value then, if to one."""

    field: str
    complaint: str
    path: Path


def rule(name: str, sentence: str, at: str = "") -> PydanticCustomError:
    """The error of a request whose fields do not go together; it is for the one ``at`` to give."""
    return PydanticCustomError(name, "{sentence}", {"sentence": sentence, "at": at})


def format_errors(error: ValidationError) -> str:
    """Every field that is wrong and how, up to ``MAX_REPORTED_ERRORS``."""
    mistakes = _mistakes_in(error)
    named = mistakes[:MAX_REPORTED_ERRORS]
    return _sentence([_line(one.field, one.complaint) for one in named], len(mistakes))


def refusal(error: ValidationError, data: bytes) -> InvalidRequest:
    """The same of a request, with the places in ``data``, the JSON that it was written in.

    The sentence tells lines only if there are several.
    """
    mistakes = _mistakes_in(error)
    text = data.decode()
    is_long = "\n" in text.strip()
    problems, lines = [], []
    for one in mistakes[:MAX_REPORTED_ERRORS]:
        problem = _placed(one, text)
        problems.append(problem)
        is_told = is_long and problem.pointer is not None
        lines.append(_line(one.field, one.complaint, problem.line if is_told else None))
    return InvalidRequest(_sentence(lines, len(mistakes)), problems=problems)


def _mistakes_in(error: ValidationError) -> list[Violation]:
    every = error.errors(include_url=False, include_input=False)
    within = {problem["loc"][:1] for problem in every if len(problem["loc"]) > 1}
    return [
        _mistake(problem)
        for problem in every
        if problem["type"] != "too_short" or problem["loc"] not in within  # only for the mistakes
    ]


def _mistake(problem: ErrorDetails) -> Violation:
    field = ".".join(shown(str(step)) for step in problem["loc"])
    at = problem.get("ctx", {}).get("at", "")
    path = problem["loc"] or ((at,) if at else ())
    return Violation(field, visible(_complaint(problem)), path)


def _complaint(problem: ErrorDetails) -> str:
    """Pydantic's words, which would be others for a dataclass than for a model."""
    if problem["type"] == "unexpected_keyword_argument":
        return "Extra inputs are not permitted"
    return problem["msg"].removeprefix("Value error, ")


def _placed(mistake: Violation, text: str) -> FieldProblem:
    if syntax := _SYNTAX.search(mistake.complaint):
        return FieldProblem(mistake.complaint, line=int(syntax[1]))
    line = line_at(text, mistake.path) if mistake.path else None
    return FieldProblem(mistake.complaint, pointer_to(mistake.path), line)


def _line(field: str, complaint: str, line: int | None = None) -> str:
    if line is not None:
        field = f"{field} (line {line:,})" if field else f"Line {line:,}"
    return f"{field}: {complaint}" if field else complaint


def _sentence(lines: Iterable[str], count: int) -> str:
    told = list(lines)
    if count > MAX_REPORTED_ERRORS:
        told.append(f"and {count - MAX_REPORTED_ERRORS:,} more")
    return "; ".join(told)
