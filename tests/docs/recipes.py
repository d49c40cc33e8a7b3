"""The rules to copy in ``docs/events.md``, taken from there and run."""

import asyncio
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pulumi
from pulumi.runtime.stack import run_pulumi_func

PAGE = Path(__file__).resolve().parents[2] / "docs" / "events.md"
PROJECT = "recipe"

EVERYTHING_LOCAL = 'aws() { command aws --endpoint-url "$AWS_ENDPOINT_URL" "$@"; }\n'
"""Without that the AWS CLI asks AWS itself for queues, whatever the environment says."""


def recipe(name: str, language: str) -> str:
    """The block in ``language`` whose first line says that it is of that name."""
    blocks = re.findall(rf"```{language}\n(# {name}\b.*?)```", PAGE.read_text(), re.DOTALL)
    (block,) = blocks
    return str(block)


def run_shell(name: str, values: Mapping[str, str], endpoint_url: str) -> None:
    """Run a recipe in bash, with ``values`` instead of those that it shows, on an AWS."""
    script = recipe(name, "sh")
    for variable, value in values.items():
        script, count = re.subn(rf"(?m)^{variable}=\S+", f"{variable}={value}", script)
        assert count == 1, variable
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", EVERYTHING_LOCAL + script],
        env={
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "AWS_ENDPOINT_URL": endpoint_url,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "local",
            "AWS_SECRET_ACCESS_KEY": "local",
        },
        capture_output=True,
        check=False,
        text=True,
    )
    assert done.returncode == 0, done.stderr


def run_pulumi(name: str, values: Mapping[str, str], provider: pulumi.runtime.Mocks) -> None:
    """Run a recipe as the program of a stack that is configured with ``values``."""
    code = compile(recipe(name, "python"), f"{PAGE.name}, {name}", "exec")
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        pulumi.runtime.set_mocks(provider, project=PROJECT, stack="dev", preview=False)
        config = {f"{PROJECT}:{key}": value for key, value in values.items()}
        pulumi.runtime.set_all_config(config)
        program = lambda: exec(code, {"__name__": "__main__"})  # noqa: E731
        loop.run_until_complete(run_pulumi_func(program))
    finally:
        asyncio.set_event_loop(None)
        loop.close()


def remove_rule(events: Any, name: str, bus: str) -> None:
    """Remove a rule and its targets."""
    targets = events.list_targets_by_rule(Rule=name, EventBusName=bus)["Targets"]
    ids = [target["Id"] for target in targets]
    events.remove_targets(Rule=name, EventBusName=bus, Ids=ids)
    events.delete_rule(Name=name, EventBusName=bus)
