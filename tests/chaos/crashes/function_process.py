"""The code of a worker process: it runs the real handler with its real wiring."""

import logging
import os
from collections.abc import Callable, Mapping
from importlib import import_module
from multiprocessing.connection import Connection
from typing import Any

from zipjobs.wiring import api as wiring
from zipjobs.wiring import lifecycle
from zipjobs.wiring import worker as working

WIRINGS: Mapping[str, Callable[[], object]] = {
    "enqueue": wiring.enqueue_dependencies,
    "cancel": lifecycle.cancel_dependencies,
    "zipper": working.zipper_dependencies,
    "dead_letter": lifecycle.finalizer,
    "reconciler": lifecycle.reconciler,
}
"""Build the dependencies of each function."""

TIME_LEFT_MILLISECONDS = {"reconciler": 60_000}
"""Zero for the zipper, so that the lease of a killed worker has already expired."""


class Context:
    """The part of Lambda's context that the handlers use."""

    def __init__(self, milliseconds: int) -> None:
        self._milliseconds = milliseconds

    def get_remaining_time_in_millis(self) -> int:
        return self._milliseconds


def serve(pipe: Connection, function: str, environment: Mapping[str, str]) -> None:
    """Pass each event from ``pipe`` to the handler; send back its response and log lines."""
    remove_aws_settings()
    os.environ.update(environment)
    # Powertools would write each log line once, to only one of the two handlers.
    os.environ["POWERTOOLS_LOG_DEDUPLICATION_DISABLED"] = "1"
    log = _Log()
    logging.getLogger().addHandler(log)
    context = Context(TIME_LEFT_MILLISECONDS.get(function, 0))
    handler = import_module(f"handlers.{function}").handler
    WIRINGS[function]()
    while True:
        try:
            event: Any = pipe.recv()
        except EOFError:
            return
        pipe.send((handler(event, context), log.take()))


def remove_aws_settings() -> None:
    """Remove the machine's AWS settings from the environment."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]


class _Log(logging.Handler):
    """Keeps log lines as text."""

    def __init__(self) -> None:
        super().__init__()
        self._lines: list[str] = []
        self.setFormatter(logging.Formatter("%(levelname)s %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        self._lines.append(self.format(record))

    def take(self) -> list[str]:
        lines, self._lines = self._lines, []
        return lines
