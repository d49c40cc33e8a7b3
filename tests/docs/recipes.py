"""Run the recipes of ``docs/events.md``: the rules that a reader copies."""

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

AWS_WITH_ENDPOINT = 'aws() { command aws --endpoint-url "$AWS_ENDPOINT_URL" "$@"; }\n'
"""A wrapper, because the AWS CLI ignores AWS_ENDPOINT_URL for SQS requests."""


def recipe(name: str, language: str) -> str:
    """Return the only code block in ``language`` whose first line is a comment with ``name``."""
    blocks = re.findall(rf"```{language}\n(# {name}\b.*?)```", PAGE.read_text(), re.DOTALL)
    (block,) = blocks
    return str(block)


def run_shell(name: str, values: Mapping[str, str], endpoint_url: str) -> None:
    """Run a recipe in bash against ``endpoint_url``, with its variables set to ``values``."""
    script = recipe(name, "sh")
    for variable, value in values.items():
        script, count = re.subn(rf"(?m)^{variable}=\S+", f"{variable}={value}", script)
        assert count == 1, variable
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", AWS_WITH_ENDPOINT + script],
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
    """Run a recipe as a Pulumi program whose configuration is ``values``."""
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
    """Delete a rule and its targets."""
    targets = events.list_targets_by_rule(Rule=name, EventBusName=bus)["Targets"]
    ids = [target["Id"] for target in targets]
    events.remove_targets(Rule=name, EventBusName=bus, Ids=ids)
    events.delete_rule(Name=name, EventBusName=bus)
