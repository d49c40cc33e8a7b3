"""Every fault in ``docs/reliability.md``, and every threat in ``docs/security.md``, names the tests
that show what is said of it, and they exist.
"""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
THREATS = "## What could go wrong"
FAULTS = (ROOT / "docs/reliability.md").read_text()
ROWS = [
    line
    for text in (FAULTS, (ROOT / "docs/security.md").read_text().partition(THREATS)[2])
    for line in text.splitlines()
    if line.startswith("| ") and not line.startswith(("| fault |", "| threat |"))
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.split("|")[1].strip())
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
