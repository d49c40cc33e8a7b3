"""``docs/api.md`` lists all error codes and fields."""

import ast
import importlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from zipjobs.errors import PermanentError
from zipjobs.jobs.job import JobError
from zipjobs.jobs.view import ArchiveView, JobView
from zipjobs.model import Model
from zipjobs.requests.schema import JobRequest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "api.md").read_text()

_CODE_ROW = re.compile(r"^\| `([A-Z_]+)` \|", re.MULTILINE)
_FIRST_CELL = re.compile(r"^\| (`[^|]+) \|", re.MULTILINE)


def permanent_error_codes(error: type[PermanentError] = PermanentError) -> Iterator[str]:
    """Yield the code of each subclass of PermanentError that has one."""
    if hasattr(error, "code"):
        yield error.code
    for subclass in error.__subclasses__():
        yield from permanent_error_codes(subclass)


def codes_in_calls(path: Path) -> Iterator[str]:
    """Yield the codes that a module passes to ``HttpProblem`` and ``JobError``: strings, and
    constants of the module.
    """
    module = importlib.import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))
    for call in ast.walk(ast.parse(path.read_text())):
        if isinstance(call, ast.Call) and ast.unparse(call.func) in (
            "HttpProblem",
            "JobError",
            "cls",
        ):
            for code in (
                *call.args[1:2],
                *(word.value for word in call.keywords if word.arg == "code"),
            ):
                match code:
                    case ast.Constant(value=str(text)):
                        yield text
                    case ast.Name(id=name) if name.isupper():
                        yield vars(module)[name]


def declared_codes() -> set[str]:
    paths = (ROOT / "zipjobs").rglob("*.py")
    using = [path for path in paths if re.search(r"\b(HttpProblem|JobError)\(", path.read_text())]
    return {*permanent_error_codes(), *(code for path in using for code in codes_in_calls(path))}


def test_the_page_lists_every_error_code_and_no_other() -> None:
    assert set(_CODE_ROW.findall(PAGE)) == declared_codes()


def test_codes_are_found_in_the_source() -> None:
    assert {
        "INVALID_MANIFEST",  # a subclass of a subclass
        "JOB_FINISHED",  # a string
        "NO_CALLER",  # a constant
        "UNAVAILABLE",  # a call of cls
        "RETRIES_EXHAUSTED",  # of a job
    } <= declared_codes()


@pytest.mark.parametrize("model", [JobRequest, JobView, ArchiveView, JobError])
def test_every_field_is_in_a_table_or_example(model: type[Model]) -> None:
    shown = set(re.findall(r'[`"](?:archives\[\]\.)?(\w+)[`"]', PAGE))
    fields = {field.alias for field in model.model_fields.values()}
    assert fields <= shown


def test_every_request_field_has_a_row() -> None:
    section = PAGE.partition("## Request fields\n")[2].partition("\n## ")[0]
    rows = {name for cell in _FIRST_CELL.findall(section) for name in re.findall(r"`(\w+)`", cell)}
    assert {field.alias for field in JobRequest.model_fields.values()} <= rows
