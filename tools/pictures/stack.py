"""A local stack in a separate process, for pictures."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PICTURES = ROOT / "docs" / "pictures"
BIN = Path(sys.executable).parent
ZIPJOBS = BIN / "zipjobs"


@dataclass(frozen=True)
class PictureStack:
    """A running stack. ``environment`` lets the command line find it, and ``folder`` is empty."""

    environment: Mapping[str, str]
    folder: Path

    def run(self, *arguments: str) -> Any:
        """Run ``zipjobs`` with ``--json`` and return its result. Ignore the exit code."""
        done = subprocess.run(  # noqa: S603  (our own command)
            [ZIPJOBS, *arguments, "--json"],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            check=False,
        )
        return json.loads(done.stdout)


@contextmanager
def picture_stack(folder: Path, *settings: str) -> Iterator[PictureStack]:
    """Run a stack while the block lasts. ``settings`` are ``NAME=VALUE``.

    The stack uses ``folder``, which must be empty. Raises RuntimeError with the log if the stack
    does not start.
    """
    state, home = folder / "state", folder / "home"
    home.mkdir()
    environment = {
        "HOME": str(home),
        "LC_ALL": "C.UTF-8",
        "PATH": f"{BIN}:{os.environ['PATH']}",
        "ZIPJOBS_LOCAL": str(state),
    }
    command = [sys.executable, "-m", "local", "up", "--port", "0", "--json"]
    for setting in settings:
        command += ["--set", setting]
    with (
        (folder / "log").open("w+") as log,
        subprocess.Popen(  # noqa: S603  (our own module)
            command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=log, text=True
        ) as process,
    ):
        assert process.stdout is not None
        try:
            if not process.stdout.readline():
                log.seek(0)
                raise RuntimeError(f"The stack did not start: {log.read()}")
            yield PictureStack(environment, home)
        finally:
            process.terminate()
