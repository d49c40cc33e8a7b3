"""Valid settings for tests of the checks: the defaults of ``Pulumi.yaml``."""

import re
from typing import Any

from infra.config.settings import Settings
from local.deployment.program import project

PROJECT: dict[str, Any] = project()["config"]
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
