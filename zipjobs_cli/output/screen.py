"""Print text to stdout and stderr."""

import json
import sys
from pathlib import Path
from typing import Any

import typer
from rich.console import Console, RenderableType
from rich.text import Text

PIPE_COLUMNS = 10_000
"""The width of output that is not a terminal: nothing is wrapped."""

INSTALLED = "zipjobs"


def program() -> str:
    """Return the command that started this program, for messages that say what to run."""
    return INSTALLED if Path(sys.argv[0]).stem == INSTALLED else "python -m zipjobs_cli"


def stdout() -> Console:
    """Return a console for results."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=PIPE_COLUMNS)


def stderr() -> Console:
    """Return a console for progress, hints and errors."""
    return Console(stderr=True, highlight=False)


def print_result(text: str, style: str = "") -> None:
    """Print a line of text to stdout."""
    stdout().print(plain(text, style), soft_wrap=True)


def print_note(text: str, style: str = "") -> None:
    """Print a line of text to stderr."""
    stderr().print(plain(text, style), soft_wrap=True)


def print_error(text: str) -> None:
    """Print an error message to stderr."""
    for line in text.splitlines():
        print_note(line, "bold red")


def print_table(table: RenderableType) -> None:
    """Print a table to stdout."""
    stdout().print(table)


def print_json(value: Any) -> None:
    """Print a value to stdout as one line of JSON."""
    typer.echo(json.dumps(value))


def plain(text: str, style: str = "") -> Text:
    """Return ``text`` without markup, with control characters escaped."""
    return Text(printable(text), style)


def printable(text: str) -> str:
    """Escape characters that are invisible or move the cursor of a terminal."""
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text
    )


def counted(number: int, one: str, many: str) -> str:
    """Return ``1 entry``, ``1,000 entries``."""
    return f"{number:,} {one if number == 1 else many}"
