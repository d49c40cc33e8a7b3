"""The table of settings in ``docs/configuration.md`` matches ``Pulumi.yaml``."""

import json
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[3]


def rows() -> list[str]:
    settings: dict[str, Any] = yaml.safe_load((ROOT / "Pulumi.yaml").read_text())["config"]
    found = []
    for name, setting in settings.items():
        default = setting.get("value", setting.get("default"))
        shown = f"`{default if isinstance(default, str) else json.dumps(default)}`"
        default_cell = shown if default not in ("", []) else ""
        found.append(f"| `{name}` | {default_cell} | {setting['description']} |")
    return found


def test_the_configuration_table_matches_the_schema() -> None:
    table = "\n".join(rows())
    assert table in (ROOT / "docs/configuration.md").read_text(), f"the table should be:\n{table}"
