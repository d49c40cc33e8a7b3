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

from cli.pulumi import project_folder

CONNECT_SECONDS = 2.0


@dataclass(frozen=True)
class LocalStack:
    """A stack that a process runs, since ``started`` (Unix time in seconds)."""

    pid: int
    started: float
    outputs: Mapping[str, Any]

    @property
    def endpoint_url(self) -> str | None:
        """The address of its AWS."""
        return self.outputs.get("awsEndpointUrl")


def word_folder() -> Path:
    """Where stacks leave word of themselves: ZIPJOBS_LOCAL, or else .local in the project."""
    return Path(os.environ.get("ZIPJOBS_LOCAL") or project_folder() / ".local")


def running_stacks() -> Iterator[LocalStack]:
    """Those that answer, the one that has run longest first. Of others there is a word on stderr.

    Only their ports are tried.
    """
    for stack in sorted(_told(), key=lambda stack: stack.started):
        if is_running(stack.pid) and all(_answers(url) for url in _urls(stack)):
            yield stack
        else:
            sys.stderr.write(f"The local stack of process {stack.pid} has ended unheard.\n")


def _told() -> Iterator[LocalStack]:
    for path in word_folder().glob("*.json"):
        try:
            match json.loads(path.read_bytes()):
                case {"pid": int(pid), "started": float(started), "outputs": dict(outputs)}:
                    yield LocalStack(pid, started, outputs)
        except (OSError, ValueError):
            continue  # it was taken away meanwhile, or is no word of a stack


def _urls(stack: LocalStack) -> list[str]:
    return [str(stack.outputs.get(name)) for name in ("awsEndpointUrl", "apiUrl")]


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
