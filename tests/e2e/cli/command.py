"""Run ``python -m zipjobs_cli`` for the embedded AWS of the tests."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from local.gateway.identities import LOCAL_USER
from tests.e2e.stack import Client, background

ROOT = Path(__file__).resolve().parents[3]


@dataclass(frozen=True)
class Result:
    """Exit code and output of a command."""

    code: int
    out: str
    err: str

    @cached_property
    def json(self) -> Any:
        """The output, which is one line of JSON."""
        assert self.out.count("\n") == 1, self.out
        return json.loads(self.out)


def environment(client: Client) -> dict[str, str]:
    """Return variables that describe the stack."""
    outputs = {
        f"ZIPJOBS_{re.sub('(?=[A-Z])', '_', name).upper()}": str(value)
        for name, value in client.outputs.items()
    }
    return {
        "PATH": os.environ["PATH"],
        "HOME": "/nonexistent",
        **outputs,
        "AWS_ENDPOINT_URL": client.outputs["awsEndpointUrl"],
        "AWS_ACCESS_KEY_ID": LOCAL_USER,
        "AWS_SECRET_ACCESS_KEY": LOCAL_USER,
    }


@contextmanager
def start_zipjobs(client: Client, *arguments: object) -> Iterator[subprocess.Popen[str]]:
    """Run a command in the background. It is stopped after the block."""
    with background(
        [sys.executable, "-m", "zipjobs_cli", *map(str, arguments)],
        env=environment(client),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    ) as process:
        yield process


def zipjobs(client: Client, *arguments: object, stdin: str = "", **variables: str) -> Result:
    """Run a command with ``stdin`` and more environment ``variables``."""
    done = subprocess.run(
        [sys.executable, "-m", "zipjobs_cli", *map(str, arguments)],
        cwd=ROOT,
        env={**environment(client), **variables},
        input=stdin,
        capture_output=True,
        check=False,
        encoding="utf-8",
    )
    return Result(done.returncode, done.stdout, done.stderr)
