"""A local stack to take pictures of, with jobs that tell something."""

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
    """A stack that runs. ``environment`` is what the command line needs to find it.

    ``folder`` is empty, and the home of who uses it.
    """

    outputs: Mapping[str, Any]
    environment: Mapping[str, str]
    folder: Path

    def run(self, *arguments: str) -> Any:
        """Run ``zipjobs`` with ``--json``, unseen; return what it told, whatever its exit code."""
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
    """Run a stack while the block lasts. It leaves word of itself in ``folder``, which is empty.

    ``settings`` are ``NAME=VALUE``. Raises RuntimeError, with what it logged, if it does not start.
    """
    word, home = folder / "word", folder / "home"
    home.mkdir()
    environment = {
        "HOME": str(home),
        "LC_ALL": "C.UTF-8",
        "PATH": f"{BIN}:{os.environ['PATH']}",
        "ZIPJOBS_LOCAL": str(word),
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
            line = process.stdout.readline()
            if not line:
                log.seek(0)
                raise RuntimeError(f"The stack did not start: {log.read()}")
            yield PictureStack(json.loads(line), environment, home)
        finally:
            process.terminate()
