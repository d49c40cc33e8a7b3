import io

import pytest
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn
from rich.text import Text

from tools.pictures.terminal import running_frame, without_bars


@pytest.fixture
def output() -> str:
    """The output of a command with a transient progress bar in a terminal."""
    console = Console(file=io.StringIO(), force_terminal=True, width=80, _environ={"TERM": "xterm"})
    columns = (
        TextColumn("{task.completed} of 4 entries"),
        BarColumn(),
        TextColumn("9 MB/s 0:00:01"),
    )
    with Progress(*columns, console=console, transient=True, auto_refresh=False) as progress:
        task = progress.add_task("", total=4)
        for _ in range(4):
            progress.advance(task)
            progress.refresh()
    console.print("Status READY")
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_erased_progress_bars_are_removed(output: str) -> None:
    assert Text.from_ansi(without_bars(output)).plain == "Status READY"


def test_the_running_frame_shows_progress_in_the_middle(output: str) -> None:
    assert Text.from_ansi(running_frame(output)).plain.startswith("2 of 4 entries ━")


def test_output_without_progress_has_no_running_frame() -> None:
    with pytest.raises(ValueError, match="increase DOCUMENTS"):
        running_frame("Status READY")
