"""Each fault in ``docs/reliability.md`` and each threat in ``docs/security.md`` names a test that
exists.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def rows_with_tests(path: str) -> Iterator[str]:
    """Yield the rows of each table whose last column is called "test"."""
    is_listed = False
    for line in (ROOT / path).read_text().splitlines():
        if not line.startswith("|"):
            is_listed = False
        elif line.endswith("| test |"):
            is_listed = True
        elif is_listed and not line.startswith("|---"):
            yield line


FAULTS = [*rows_with_tests("docs/reliability.md")]
THREATS = [*rows_with_tests("docs/security.md")]


def test_both_pages_have_tables_with_tests() -> None:
    assert len(FAULTS) > 30
    assert len(THREATS) > 30


@pytest.mark.parametrize("row", [*FAULTS, *THREATS], ids=lambda row: row.split("|")[1].strip())
def test_the_tests_of_a_row_exist(row: str) -> None:
    names = re.findall(r"`(tests/[^`]+|make [a-z]+)", row)
    assert names, "no test is named"
    for name in names:
        if name.startswith("make "):
            assert f"\n{name.removeprefix('make ')}:" in (ROOT / "Makefile").read_text()
            continue
        path, _, test = name.partition("::")
        source = (ROOT / path).read_text()
        defined = {
            node.name
            for node in ast.walk(ast.parse(source))
            if isinstance(node, ast.FunctionDef | ast.ClassDef)
        }
        assert set(filter(None, test.split("::"))) <= defined, name
