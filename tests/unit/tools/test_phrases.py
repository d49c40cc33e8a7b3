import pytest

from tools.phrases import area_of, find, read_groups


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("Of 16 MiB at the most.", 1),
        ("one\nOf 16 MiB at\n    # the most.", 2),
        ("def test_a_part_has_at_the_most_5_gib() -> None:", 1),
    ],
)
def test_a_phrase_is_found_across_lines_and_in_names(text: str, line: int) -> None:
    ((found, _),) = find(read_groups()["word_order"]["at_the_most"], text)
    assert found == line


def test_a_docstring_that_starts_with_of_is_found() -> None:
    phrase = read_groups()["word_order"]["docstring_start"]
    assert [line for line, _ in find(phrase, '"""Of a manifest."""\n"""Offsets."""')] == [1]


@pytest.mark.parametrize(
    ("path", "area"),
    [
        ("zipjobs/errors.py", "code"),
        ("docs/api.md", "docs"),
        ("Pulumi.yaml", "docs"),
        ("tests/unit/test_imports.py", "tests"),
        ("tools/phrases.py", None),
        ("docs/graph.svg", None),
    ],
)
def test_a_file_counts_for_one_area(path: str, area: str | None) -> None:
    assert area_of(path) == area
