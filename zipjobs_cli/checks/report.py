"""Progress and results of end-to-end checks."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from rich import box
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from zipjobs_cli.checks.end_to_end import JobRun
from zipjobs_cli.output.progress import bar
from zipjobs_cli.output.render import STYLES
from zipjobs_cli.output.screen import plain, print_result, print_table

_COLUMNS: dict[str, Callable[[JobRun], str]] = {
    "Job": lambda run: run.job_id,
    "Trigger": lambda run: run.trigger,
    "Status": lambda run: run.status or "-",
    "Entries": lambda run: f"{run.entries:,}",
    "Bytes": lambda run: f"{run.bytes:,}",
    "Copied by S3": lambda run: f"{run.copied_bytes:,}",
    "Copied": lambda run: f"{run.copied_bytes:,}",
    "Through": lambda run: f"{run.bytes - run.copied_bytes:,}",
    "Seconds": lambda run: f"{run.seconds:.1f}",
    "MB/s": lambda run: f"{run.bytes_per_second / 1e6:.1f}",
    "Archive": lambda run: ", ".join(map(str, run.files)) or "-",
}
_TEXT_COLUMNS = ("Job", "Trigger", "Status", "Archive")


def results_table(runs: Sequence[JobRun], headings: Sequence[str]) -> Table:
    """Return a table with one row per job and the columns ``headings``."""
    table = Table(box=box.SIMPLE_HEAD)
    for heading in headings:
        table.add_column(
            heading,
            justify="left" if heading in _TEXT_COLUMNS else "right",
            no_wrap=heading != "Archive",
            overflow="fold",
        )
    for run in runs:
        styles = {"Status": STYLES.get(run.status or "", "")}
        table.add_row(
            *(plain(_COLUMNS[heading](run), styles.get(heading, "")) for heading in headings)
        )
    return table


def print_results(runs: Sequence[JobRun], headings: Sequence[str], *success: str) -> None:
    """Print a table and the problems, or the lines of ``success`` if there are none."""
    print_table(results_table(runs, headings))
    problems = [f"Job {run.job_id}: {run.problem}" for run in runs if run.problem]
    for line in problems or success:
        print_result(line, "bold red" if problems else "green")


def results_json(
    runs: Sequence[JobRun], summary: Mapping[str, object], fields: Sequence[str]
) -> dict[str, object]:
    """Return the JSON output: ``isGood``, the ``summary``, and these ``fields`` of each job."""
    values = [
        {
            "jobId": run.job_id,
            "trigger": run.trigger,
            "status": run.status,
            "entries": run.entries,
            "bytes": run.bytes,
            "seconds": round(run.seconds, 3),
            "bytesPerSecond": round(run.bytes_per_second),
            "copiedBytes": run.copied_bytes,
            "files": [str(path) for path in run.files],
            "problem": run.problem,
        }
        for run in runs
    ]
    jobs = [{field: value[field] for field in fields} for value in values]
    return {"isGood": not any(run.problem for run in runs), **summary, "jobs": jobs}


@contextmanager
def run_progress(entries: int) -> Iterator[Callable[[JobRun], None]]:
    """Show a bar for each job of ``entries`` entries. Yields the function that updates it."""
    columns = (
        *(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()),
        *(TextColumn("entries"), TimeElapsedColumn()),
    )
    with bar(*columns) as progress:
        tasks: dict[str, TaskID] = {}

        def on_update(run: JobRun) -> None:
            if run.job_id not in tasks:
                tasks[run.job_id] = progress.add_task("", total=entries)
            text = f"{run.trigger}: {run.status or 'waiting for the event'}"
            progress.update(tasks[run.job_id], completed=run.entries, description=text)

        yield on_update
