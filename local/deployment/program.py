"""Runs the Pulumi program against the embedded AWS, in place of ``pulumi up``."""

import asyncio
import json
import runpy
from collections.abc import Iterable, Mapping
from typing import Any

import pulumi
import yaml
from pulumi.runtime import get_root_resource
from pulumi.runtime.settings import ROOT as ROOT_RESOURCE
from pulumi.runtime.settings import SETTINGS
from pulumi.runtime.stack import Stack, run_pulumi_func

from infra.config.settings import SettingError
from local.deployment.declarations import ROOT
from local.errors import LocalError


def project() -> dict[str, Any]:
    """Return ``Pulumi.yaml``. ``pulumi new`` adds configuration of its own, which is left out."""
    content: dict[str, Any] = yaml.safe_load((ROOT / "Pulumi.yaml").read_text())
    declared = content["config"].items()
    content["config"] = {key: one for key, one in declared if not key.startswith("pulumi:")}
    return content


def check_names(names: Iterable[str]) -> None:
    """Raise LocalError for a name that is not a setting."""
    settings = project()["config"]
    for name in names:
        if name not in settings:
            raise LocalError(f"Unknown setting {name}. The settings are {', '.join(settings)}.")


def configuration(stack: str, overrides: Mapping[str, Any]) -> dict[str, str]:
    """Return the stack's configuration as the Pulumi engine passes it.

    Defaults come first, then the stack's file, then ``overrides``: settings by their names in
    ``Pulumi.yaml``. Raises LocalError for an unknown setting.
    """
    found = project()
    name, settings = found["name"], found["config"]
    check_names(overrides)
    values: dict[str, Any] = {}
    for key, setting in settings.items():
        full_key = key if ":" in key else f"{name}:{key}"
        values[full_key] = setting["value"] if "value" in setting else setting["default"]
    stack_file = ROOT / f"Pulumi.{stack}.yaml"
    own = (yaml.safe_load(stack_file.read_text()) or {}).get("config", {})
    for chosen in (own, overrides):
        values |= {key if ":" in key else f"{name}:{key}": value for key, value in chosen.items()}
    return {key: _text(value) for key, value in values.items()}


def run_program(
    provider: pulumi.runtime.Mocks, stack: str, config: Mapping[str, str]
) -> dict[str, Any]:
    """Run ``__main__.py``. Return the stack's resolved outputs.

    Raises LocalError for an invalid setting, and what the program or the provider raises.
    """
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        ROOT_RESOURCE.set(None)  # otherwise the outputs of an earlier program remain
        pulumi.runtime.set_mocks(provider, project=project()["name"], stack=stack, preview=False)
        pulumi.runtime.set_all_config(dict(config))
        try:
            loop.run_until_complete(
                run_pulumi_func(lambda: _ignore(runpy.run_path(str(ROOT / "__main__.py"))))
            )
        except (SettingError, pulumi.ConfigMissingError, pulumi.ConfigTypeError) as error:
            raise LocalError(str(error)) from error
        return loop.run_until_complete(_resolved_outputs())
    finally:
        loop.run_until_complete(_cancel_pending())
        asyncio.set_event_loop(None)
        loop.close()


async def _cancel_pending() -> None:
    """Cancel what a failed program left behind. The next program would wait for it."""
    pending = asyncio.all_tasks() - {asyncio.current_task()}
    for task in pending:
        task.cancel()
    await asyncio.gather(*pending, return_exceptions=True)
    SETTINGS.outputs.clear()


async def _resolved_outputs() -> dict[str, Any]:
    root = get_root_resource()
    assert isinstance(root, Stack)
    return {
        name: await pulumi.Output.from_input(value).future() for name, value in root.outputs.items()
    }


def _ignore(value: object) -> None:
    """Discard the result: the program's resources are its outcome."""


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
