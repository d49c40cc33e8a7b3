"""Member names of a request's objects."""

from typing import Any

import pytest

from zipjobs.errors import DuplicateName
from zipjobs.requests.schema import JobRequest
from zipjobs.requests.sources import SourceObject
from zipjobs.unreadable import MAX_NAMED_OBJECTS
from zipjobs.worker.entry_list import entries_of


def request(**fields: Any) -> JobRequest:
    return JobRequest.model_validate({"prefix": "2026/q3/", **fields}, strict=False)


def names(request: JobRequest, *keys: str | SourceObject) -> list[str]:
    listed = [SourceObject("src", one) if isinstance(one, str) else one for one in keys]
    with entries_of(request, listed) as entries:
        return [entry.name for entry in entries]


def refusal(request: JobRequest, *keys: str | SourceObject) -> DuplicateName:
    with pytest.raises(DuplicateName) as refused:
        names(request, *keys)
    return refused.value


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, ["a.pdf", "a (2).pdf", "b.pdf", "d"]),
        ({"naming": "path"}, ["2026/q3/a.pdf", "2026/q3/x/a.pdf", "2025/b.pdf", "2026/d_"]),
        (
            {"naming": "path", "stripPrefix": "2026/"},
            ["q3/a.pdf", "q3/x/a.pdf", "2025/b.pdf", "d_"],
        ),
        (
            {"naming": "path", "stripPrefix": "2026/q3"},
            ["a.pdf", "x/a.pdf", "2025/b.pdf", "2026/d_"],
        ),
        (
            {"naming": "path", "stripPrefix": "2026/q3/a.pdf"},
            ["2026/q3/a.pdf", "2026/q3/x/a.pdf", "2025/b.pdf", "2026/d_"],
        ),
        (
            {"naming": "path", "stripPrefix": "2026/d"},
            ["2026/q3/a.pdf", "2026/q3/x/a.pdf", "2025/b.pdf", "2026/d_"],
        ),
    ],
)
def test_the_request_decides_how_members_are_named(fields: Any, expected: list[str]) -> None:
    keys = ["2026/q3/a.pdf", "2026/q3/x/a.pdf", "2025/b.pdf", "2026/d/"]
    assert names(request(**fields), *keys) == expected


@pytest.mark.parametrize(
    ("prefix", "expected"),
    [
        ("2026/q3/", ["inv-1.pdf", "inv/2.pdf"]),
        ("2026/q3/inv", ["inv-1.pdf", "inv/2.pdf"]),
        ("2026/q", ["q3/inv-1.pdf", "q3/inv/2.pdf"]),
        ("20", ["2026/q3/inv-1.pdf", "2026/q3/inv/2.pdf"]),
        ("", ["2026/q3/inv-1.pdf", "2026/q3/inv/2.pdf"]),
        ("2026/q3/inv-1.pdf", ["inv-1.pdf", "inv/2.pdf"]),
    ],
)
def test_relative_names_start_after_the_folder_of_the_prefix(
    prefix: str, expected: list[str]
) -> None:
    keys = ["2026/q3/inv-1.pdf", "2026/q3/inv/2.pdf"]
    assert names(request(prefix=prefix, naming="relative"), *keys) == expected


@pytest.mark.parametrize("naming", ["basename", "path", "relative"])
def test_a_requested_name_has_priority(naming: str) -> None:
    listed = SourceObject("src", "2026/q3/a.pdf", name="2026/q3/x/y.pdf")
    assert names(request(naming=naming), listed) == ["2026/q3/x/y.pdf"]


def test_duplicate_names_are_refused_with_all_their_objects() -> None:
    error = refusal(
        request(onDuplicate="fail"),
        *("a/one.pdf", "b/two.pdf", "b/One.PDF", "c/three.pdf", "c/one.pdf", "d/two.pdf"),
    )
    assert error.objects == (
        "s3://src/a/one.pdf",
        "s3://src/b/One.PDF",
        "s3://src/c/one.pdf",
        "s3://src/b/two.pdf",
        "s3://src/d/two.pdf",
    )
    assert str(error).startswith("3 objects would have the same member name")
    assert str(error).endswith("; two.pdf for s3://src/b/two.pdf and s3://src/d/two.pdf.")


@pytest.mark.parametrize(
    "pair",
    [
        ["a/x.pdf", "a/x.pdf"],
        ["a/x.pdf", "b/X.PDF"],
        ["a/\u00e9", "b/e\u0301"],
        ["a/\u00df", "b/SS"],
        ["a/x:y", "b/x?y"],
        ["a/x.", "b/x"],
    ],
)
def test_names_that_are_equal_on_some_system_are_duplicates(pair: list[str]) -> None:
    fails = request(onDuplicate="fail")
    assert refusal(fails, *pair).objects == tuple(f"s3://src/{key}" for key in pair)


def test_a_file_and_a_folder_with_one_name_are_duplicates() -> None:
    fails = request(onDuplicate="fail", naming="path")
    keys = ["docs/a", "docs/b", "x", "DOCS"]
    expected = {"s3://src/docs/a", "s3://src/DOCS"}
    assert set(refusal(fails, *keys).objects) == expected
    assert set(refusal(fails, *reversed(keys)).objects) == {"s3://src/docs/b", "s3://src/DOCS"}


def test_different_names_are_accepted() -> None:
    fails = request(onDuplicate="fail", naming="path")
    keys = ["a/report.pdf", "b/report.pdf", "b/report (2).pdf", "a/b/report.pdf"]
    assert names(fails, *keys) == keys


def test_the_error_lists_a_limited_number_of_objects() -> None:
    pairs = [f"{folder}/{number}" for folder in "ab" for number in range(1000)]
    error = refusal(request(onDuplicate="fail"), *pairs)
    assert str(error).startswith("1,000 objects would have the same member name")
    assert str(error).endswith("4 for s3://src/a/4 and s3://src/b/4 …")
    assert len(error.objects) == 2 * MAX_NAMED_OBJECTS
    same = refusal(request(onDuplicate="fail"), *["x"] * 1000)
    assert len(same.objects) == 20
