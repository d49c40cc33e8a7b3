"""Progress bars on stderr. They are shown only in a terminal, and removed when they are done."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from zipjobs_cli.output.screen import stderr


def bar(*columns: ProgressColumn) -> Progress:
    """Return a context manager that shows a bar with these columns."""
    console = stderr()
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)


def byte_columns() -> tuple[ProgressColumn, ...]:
    """Return columns for a bar, the bytes, their rate and the remaining time."""
    return (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())


@contextmanager
def bytes_bar(title: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """Show a bar of ``total`` bytes. Yields a function that advances it by a number of bytes."""
    with bar(TextColumn(title), *byte_columns()) as progress:
        task = progress.add_task("", total=total)
        yield lambda count: progress.advance(task, count)
