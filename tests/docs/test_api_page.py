"""``docs/api.md`` lists all error codes and fields, and its examples are valid."""

import ast
import importlib
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from zipjobs.api.problems import ProblemDetails
from zipjobs.errors import FieldProblem, PermanentError
from zipjobs.jobs.job import JobError
from zipjobs.jobs.view import ArchiveView, JobView
from zipjobs.model import Model
from zipjobs.requests.schema import JobRequest, parse_request

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "api.md").read_text()

_ERROR_CALLS = ("HttpProblem", "JobError", "cls")
_CODE_ROW = re.compile(r"^\| `([A-Z_]+)` \|", re.MULTILINE)


def permanent_error_codes(error: type[PermanentError] = PermanentError) -> Iterator[str]:
    """Yield the code of each subclass of PermanentError in ``zipjobs`` that has one."""
    if hasattr(error, "code") and error.__module__.startswith("zipjobs."):
        yield error.code
    for subclass in error.__subclasses__():
        yield from permanent_error_codes(subclass)


def codes_in_calls(path: Path) -> Iterator[str]:
    """Yield the codes that a module passes to ``HttpProblem`` and ``JobError``.

    A code is the second argument or ``code``: a string, or a constant of the module.
    """
    module = importlib.import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))
    for call in ast.walk(ast.parse(path.read_text())):
        if not isinstance(call, ast.Call) or ast.unparse(call.func) not in _ERROR_CALLS:
            continue
        by_name = [argument.value for argument in call.keywords if argument.arg == "code"]
        for code in (*call.args[1:2], *by_name):
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


def section(heading: str) -> str:
    return PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


def examples(heading: str) -> list[str]:
    return re.findall(r"^```json\n(.*?)^```", section(heading), re.MULTILINE | re.DOTALL)


def fields(model: type[Model]) -> set[str]:
    return {str(field.alias) for field in model.model_fields.values()}


def test_every_request_field_has_a_row() -> None:
    cells = re.findall(r"^\| (`[^|]+) \|", section("Request fields"), re.MULTILINE)
    assert fields(JobRequest) <= set(re.findall(r"`(\w+)`", " ".join(cells)))


@pytest.mark.parametrize("example", examples("Submit a job"))
def test_the_example_requests_are_valid(example: str) -> None:
    assert parse_request(example.encode())


def test_the_example_job_has_all_fields() -> None:
    (example,) = examples("Get a job")
    job = json.loads(example)
    assert set(job) == fields(JobView) - {"error"}
    assert set(job["archives"][0]) == fields(ArchiveView)


def test_the_fields_of_a_job_error_are_described() -> None:
    (row,) = re.findall(r"^\| `error` \|.*$", section("Get a job"), re.MULTILINE)
    assert fields(JobError) | fields(FieldProblem) <= set(re.findall(r"`(\w+)`", row))


def test_the_example_problem_is_valid() -> None:
    (example,) = examples("HTTP errors")
    ProblemDetails.model_validate(json.loads(example))
