"""Every setting of the functions must reach an object that uses it."""

import ast
from pathlib import Path

import pytest

from zipjobs import settings
from zipjobs.settings import Settings

ROOT = Path(__file__).parents[3]
READERS = [
    ROOT / "zipjobs/settings.py",
    *ROOT.glob("zipjobs/wiring/*.py"),
    *ROOT.glob("handlers/*.py"),
]


def attributes(path: Path) -> set[str]:
    return {
        node.attr
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
        if node.value.id in ("settings", "self")
    }


@pytest.mark.parametrize(
    "field",
    sorted(
        {
            field
            for one in vars(settings).values()
            if isinstance(one, type) and issubclass(one, Settings)
            for field in one.model_fields
        }
    ),
)
def test_setting_is_passed_on(field: str) -> None:
    assert any(field in attributes(path) for path in READERS), f"no function uses {field}"
