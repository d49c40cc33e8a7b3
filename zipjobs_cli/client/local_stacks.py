"""Find local stacks that run on this machine.

``python -m local up`` writes a JSON file when the stack is ready, and deletes it on exit.
"""

import json
import os
import socket
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from zipjobs_cli.client.pulumi import project_folder

DEFAULT_PORT = 8700
"""Port of the AWS endpoint of ``make local``. The API listens on the next port."""

CONNECT_SECONDS = 2.0


@dataclass(frozen=True)
class LocalStack:
    """A stack of the process ``pid``. ``started`` is Unix time in seconds."""

    pid: int
    started: float
    outputs: Mapping[str, Any]

    @property
    def urls(self) -> list[str]:
        """URLs of the AWS endpoint and of the API."""
        return [str(self.outputs.get(name)) for name in ("awsEndpointUrl", "apiUrl")]

    @property
    def rank(self) -> tuple[bool, bool, float]:
        """Sort key: commands use the stack with the lowest rank."""
        endpoint_url = self.urls[0]
        is_other = endpoint_url != os.environ.get("AWS_ENDPOINT_URL")  # the AWS CLI's endpoint
        return is_other, urlsplit(endpoint_url).port != DEFAULT_PORT, self.started


def announcement_folder() -> Path:
    """Return the folder of the stacks' files: ZIPJOBS_LOCAL, or .local in the project."""
    return Path(os.environ.get("ZIPJOBS_LOCAL") or project_folder() / ".local")


def find_local_stack() -> LocalStack | None:
    """Return the local stack to use, or None.

    The order is: the stack at AWS_ENDPOINT_URL, the stack on the default port, the oldest stack.
    Stacks are only checked for open ports. Writes a note to stderr if several stacks run, and for
    each stack that no longer runs.
    """
    running = []
    for stack in sorted(_announced(), key=lambda stack: stack.rank):
        if is_running(stack.pid) and all(map(_is_listening, stack.urls)):
            running.append(stack)
        else:
            sys.stderr.write(f"Process {stack.pid} no longer runs its local stack.\n")
    if len(running) > 1:
        sys.stderr.write(
            f"{len(running)} local stacks are running. Using the one at {running[0].urls[0]}. "
            "Set AWS_ENDPOINT_URL to use another one.\n"
        )
    return running[0] if running else None


def _announced() -> Iterator[LocalStack]:
    for path in announcement_folder().glob("*.json"):
        try:
            match json.loads(path.read_bytes()):
                case {"pid": int(pid), "started": float(started), "outputs": dict(outputs)}:
                    yield LocalStack(pid, started, outputs)
        except (OSError, ValueError):
            continue  # the file was just deleted, or was written by another program


def is_running(pid: int) -> bool:
    """Return whether a process with this ID exists."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:  # the process belongs to another user
        return True
    return True


def _is_listening(url: str) -> bool:
    try:
        parts = urlsplit(url)
        with socket.create_connection((parts.hostname, parts.port), CONNECT_SECONDS):
            return True
    except (OSError, ValueError):
        return False
