"""What commands have in common on the screen."""

import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text

PIPE_COLUMNS = 10_000
"""Wide enough that nothing is wrapped where there is no terminal."""


INSTALLED = "zipjobs"


def program() -> str:
    """How this program is called, for messages that say what to type."""
    return INSTALLED if Path(sys.argv[0]).stem == INSTALLED else "python -m zipjobs_cli"


def out() -> Console:
    """Standard output, for results."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=PIPE_COLUMNS)


def err() -> Console:
    """Standard error, for all that is not a result."""
    return Console(stderr=True, highlight=False)


def line(text: str, style: str = "") -> Text:
    """A line of plain text, in which nothing is markup, and nothing moves the cursor."""
    return Text(printable(text), style)


def printable(text: str) -> str:
    """``text`` with escapes for what would move a terminal's cursor, or stay unseen."""
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text
    )


def counted(number: int, one: str, many: str) -> str:
    """``1 entry``, ``1,000 entries``."""
    return f"{number:,} {one if number == 1 else many}"
