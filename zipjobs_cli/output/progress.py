"""Bars on standard error, where that is a terminal; they are gone when their work is done."""

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

from zipjobs_cli.output.screen import err


def bar(*columns: ProgressColumn) -> Progress:
    """A context that shows these columns. It is disabled where nobody sees it."""
    console = err()
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)


def byte_columns() -> tuple[ProgressColumn, ...]:
    """A bar, the bytes, their rate, and the time left."""
    return (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())


@contextmanager
def bytes_bar(what: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """A bar of ``total`` bytes. Yields who is to be told how many more have come."""
    with bar(TextColumn(what), *byte_columns()) as progress:
        task = progress.add_task("", total=total)
        yield lambda count: progress.advance(task, count)
