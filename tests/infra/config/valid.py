"""Valid settings for tests of the checks: the defaults of ``Pulumi.yaml``."""

import re
from pathlib import Path
from typing import Any

import yaml

from infra.config.settings import Settings

PROJECT: dict[str, Any] = yaml.safe_load(
    (Path(__file__).resolve().parents[3] / "Pulumi.yaml").read_text()
)["config"]
"""The declaration of each setting."""


def snake_case(name: str) -> str:
    return re.sub("[A-Z]", lambda letter: f"_{letter[0].lower()}", name)


def _defaults() -> Settings:
    """Return the settings of a stack that sets none."""
    values: dict[str, Any] = {
        snake_case(name): tuple(default) if isinstance(default, list) else default
        for name, setting in PROJECT.items()
        if (default := setting.get("default")) is not None
    }
    return Settings(stack="dev", region="us-east-1", **values)


VALID = _defaults()
