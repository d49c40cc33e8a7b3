"""Runs ``pulumi``, the command line of Pulumi's engine, with the embedded AWS as its provider."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

from local.deployment.declarations import ROOT
from local.deployment.program import check_names, project
from local.errors import LocalError

PASSPHRASE = "local"  # noqa: S105  (the state is deleted with the stack)


def _program() -> str:
    program = shutil.which("pulumi")
    if program is None:
        raise LocalError(
            "There is no pulumi on the PATH. Run `make pulumi`, or install it: pulumi.com/docs."
        )
    return program


@dataclass(frozen=True)
class Engine:
    """A stack of the project in ``folder``, with its state below ``state``.

    ``provider_port`` is where the provider of ``aws`` listens. Raises LocalError if there is no
    ``pulumi`` on the PATH.
    """

    folder: Path
    state: Path
    provider_port: int
    stack: str = "local"
    program: str = field(default_factory=_program)

    @property
    def variables(self) -> dict[str, str]:
        """The environment variables with which ``pulumi`` manages this stack."""
        return {
            "PULUMI_BACKEND_URL": f"file://{self.state}",
            "PULUMI_CONFIG_PASSPHRASE": PASSPHRASE,
            "PULUMI_DEBUG_PROVIDERS": f"aws:{self.provider_port}",
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
            "PULUMI_HOME": str(self.state / "home"),
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            # Of the language host: the program runs with the packages of this Python.
            "PULUMI_PYTHON_CMD": sys.executable,
        }

    @property
    def exports(self) -> list[str]:
        """The shell commands with which ``pulumi`` manages this stack."""
        path = f"{Path(self.program).parent}:$PATH"
        return [
            f"export {name}={value}" for name, value in {**self.variables, "PATH": path}.items()
        ]

    def in_folder(self, folder: Path) -> "Engine":
        """Return this engine for the project in another folder."""
        return replace(self, folder=folder)

    def create_stack(self, config: Mapping[str, Any]) -> None:
        """Create the stack with this configuration, and select it. Raises LocalError."""
        (self.state / "home").mkdir(parents=True, exist_ok=True)
        self.write_config(config)
        self.run("stack", "init", self.stack)

    def write_config(self, config: Mapping[str, Any]) -> None:
        """Write the stack's file. It keeps what encrypts its secrets."""
        path = self.config_file
        kept = yaml.safe_load(path.read_text()) if path.exists() else {}
        path.write_text(yaml.safe_dump({**kept, "config": dict(config)}))

    @property
    def config_file(self) -> Path:
        return self.folder / f"Pulumi.{self.stack}.yaml"

    def run(self, *arguments: str) -> str:
        """Run ``pulumi``. Return its output. Raises LocalError if it fails."""
        done = self.attempt(*arguments)
        if done.returncode:
            command = " ".join(arguments)
            raise LocalError(f"pulumi {command} failed:\n{done.stdout}{done.stderr}")
        return done.stdout

    def attempt(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run ``pulumi``. Return the process, which may have failed."""
        return self._process(*arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def show(self, *arguments: str) -> None:
        """Run ``pulumi`` with its output on stderr. Raises LocalError if it fails."""
        if self._process(*arguments, stdout=sys.stderr).returncode:
            raise LocalError(f"pulumi {' '.join(arguments)} failed.")

    def _process(self, *arguments: str, **streams: Any) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(  # noqa: S603  (the arguments are our own)
            [self.program, "--non-interactive", *arguments],
            cwd=self.folder,
            env={**os.environ, **self.variables},
            stdin=subprocess.DEVNULL,
            text=True,
            check=False,
            **streams,
        )

    def outputs(self) -> dict[str, Any]:
        """Return the stack's outputs."""
        found: dict[str, Any] = json.loads(self.run("stack", "output", "--json"))
        return found


def stack_config(stack: str, overrides: Mapping[str, str]) -> dict[str, Any]:
    """Return the configuration in a stack's file, with ``overrides`` as text. Raises LocalError."""
    content = yaml.safe_load((ROOT / f"Pulumi.{stack}.yaml").read_text()) or {}
    settings = project()["config"]
    config: dict[str, Any] = dict(content.get("config", {}))
    check_names(overrides)
    for name, text in overrides.items():
        is_text = settings[name].get("type", "string") == "string"
        config[name] = text if is_text else yaml.safe_load(text)
    return config
