"""Leaves word of a running stack, by which the command line finds it."""

import json
import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from zipjobs_cli.client.local_stacks import is_running, word_folder


@contextmanager
def announced(outputs: Mapping[str, Any]) -> Iterator[None]:
    """Tell of a stack with these ``outputs`` while the block lasts.

    Where nothing can be written the stack runs unheard, and stderr says so.
    """
    folder = word_folder()
    path = folder / f"{os.getpid()}.json"
    word = {"pid": os.getpid(), "started": time.time(), "outputs": dict(outputs)}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _forget_the_dead(folder)
        unfinished = path.with_suffix(".new")
        unfinished.write_text(json.dumps(word))
        unfinished.replace(path)
    except OSError as error:
        sys.stderr.write(f"The command line will not find this stack: {error}.\n")
    try:
        yield
    finally:
        with suppress(OSError):
            path.unlink(missing_ok=True)


def _forget_the_dead(folder: Path) -> None:
    """Take away the word of processes that had no time to do so."""
    for path in folder.glob("*.json"):
        if path.stem.isdecimal() and not is_running(int(path.stem)):
            path.unlink(missing_ok=True)
