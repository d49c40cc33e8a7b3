"""Announces a running stack in a file, so that the command line finds it."""

import json
import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from zipjobs_cli.client.local_stacks import announcement_folder, is_running


@contextmanager
def announced(outputs: Mapping[str, Any]) -> Iterator[None]:
    """Announce a stack with these ``outputs`` while the block runs.

    If the file cannot be written, the stack runs unannounced, with a warning on stderr.
    """
    folder = announcement_folder()
    path = folder / f"{os.getpid()}.json"
    announcement = {"pid": os.getpid(), "started": time.time(), "outputs": dict(outputs)}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _delete_stale_files(folder)
        unfinished = path.with_suffix(".new")
        unfinished.write_text(json.dumps(announcement))
        unfinished.replace(path)
    except OSError as error:
        sys.stderr.write(f"Warning: the command line cannot find this stack: {error}.\n")
    try:
        yield
    finally:
        with suppress(OSError):
            path.unlink(missing_ok=True)


def _delete_stale_files(folder: Path) -> None:
    """Delete the files of processes that were killed."""
    for path in folder.glob("*.json"):
        if path.stem.isdecimal() and not is_running(int(path.stem)):
            path.unlink(missing_ok=True)
