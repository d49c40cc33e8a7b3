"""The local stacks that run on this machine, by the word that each leaves of itself.

``python -m local up`` writes it, a JSON file, and takes it away at its end.
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
"""Of the AWS endpoint of a stack that a person starts. The API listens on the next one."""

CONNECT_SECONDS = 2.0


@dataclass(frozen=True)
class LocalStack:
    """A stack that a process runs, since ``started`` (Unix time in seconds)."""

    pid: int
    started: float
    outputs: Mapping[str, Any]

    @property
    def urls(self) -> list[str]:
        """Of the AWS endpoint and of the API."""
        return [str(self.outputs.get(name)) for name in ("awsEndpointUrl", "apiUrl")]

    @property
    def rank(self) -> tuple[bool, bool, float]:
        """The least is the one that is meant."""
        endpoint_url = self.urls[0]
        is_used = endpoint_url == os.environ.get("AWS_ENDPOINT_URL")  # by the AWS CLI
        return not is_used, urlsplit(endpoint_url).port != DEFAULT_PORT, self.started


def word_folder() -> Path:
    """Where stacks leave word of themselves: ZIPJOBS_LOCAL, or else .local in the project."""
    return Path(os.environ.get("ZIPJOBS_LOCAL") or project_folder() / ".local")


def running_stack() -> LocalStack | None:
    """The one at AWS_ENDPOINT_URL, or on the default port, or that has run longest; None if none.

    Only its ports are tried. On stderr there is a word if it is one of several, and of those that
    have died.
    """
    alive = []
    for stack in sorted(_told(), key=lambda stack: stack.rank):
        if is_running(stack.pid) and all(_answers(url) for url in stack.urls):
            alive.append(stack)
        else:
            sys.stderr.write(f"The local stack of process {stack.pid} has ended unheard.\n")
    if len(alive) > 1:
        several = f"{len(alive)} local stacks run here; this is about the one at"
        sys.stderr.write(f"{several} {alive[0].urls[0]}. AWS_ENDPOINT_URL names another.\n")
    return alive[0] if alive else None


def _told() -> Iterator[LocalStack]:
    for path in word_folder().glob("*.json"):
        try:
            match json.loads(path.read_bytes()):
                case {"pid": int(pid), "started": float(started), "outputs": dict(outputs)}:
                    yield LocalStack(pid, started, outputs)
        except (OSError, ValueError):
            continue  # it was taken away meanwhile, or is no word of a stack


def is_running(pid: int) -> bool:
    """Whether there is a process of that number."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:  # it is somebody else's
        return True
    return True


def _answers(url: str) -> bool:
    try:
        parts = urlsplit(url)
        with socket.create_connection((parts.hostname, parts.port), CONNECT_SECONDS):
            return True
    except (OSError, ValueError):
        return False
