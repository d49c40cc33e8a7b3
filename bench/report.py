"""The comparison's results as a table, and as ``docs/performance.md`` with its plot."""

from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from bench.measure import Result
from bench.tables import DOCS, markdown, write_from_template
from bench.workloads import COMPARED, WORKLOAD_NAMES

HEADINGS = (
    *("workload", "system", "wall s", "times original", "CPU s", "peak MB", "above idle"),
    *("requests", "MB in", "MB out", "MB copied", "dollars"),
)


def print_table(console: Console, results: list[Result]) -> None:
    """Print the results as a table."""
    table = Table(*HEADINGS, box=box.SIMPLE_HEAD)
    for result in results:
        table.add_row(*_cells(result))
    console.print(table)


def write_document(results: list[Result], profile: str, rounds: int) -> None:
    """Write ``docs/performance.md`` and its plot."""
    _plot(results, DOCS / "performance.svg")
    measured = {result.workload for result in results}
    workloads = [f"- **{w}**: {text}" for w, text in WORKLOAD_NAMES.items() if w in measured]
    values = {
        "table": markdown(HEADINGS, [_cells(result) for result in results], text_columns=2),
        "workloads": "\n".join(workloads),
        "profile": profile,
        "rounds": str(rounds),
    }
    write_from_template("performance", values)


def _cells(result: Result) -> list[str]:
    return [
        result.workload,
        result.system,
        f"{result.wall_s:.3f}",
        f"{result.times_original:.1f}" if result.times_original else "",
        f"{result.cpu_s:.3f}",
        f"{result.peak_rss_mb:.0f}",
        f"{result.peak_rss_mb - result.idle_rss_mb:.0f}",
        f"{sum(result.requests.values()):,}",
        f"{result.bytes_in / 1e6:.1f}",
        f"{result.bytes_out / 1e6:.1f}",
        f"{result.bytes_copied / 1e6:.1f}",
        f"{result.usd:.6f}",
    ]


def _plot(results: list[Result], path: Path) -> None:
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "performance"
    from matplotlib import pyplot

    results = [result for result in results if result.workload in COMPARED]
    systems = list(dict.fromkeys(result.system for result in results))
    workloads = list(dict.fromkeys(result.workload for result in results))
    figure, axes = pyplot.subplots(figsize=(10, 4.5))
    width = 0.8 / len(systems)
    for position, system in enumerate(systems):
        walls = {r.workload: r.wall_s for r in results if r.system == system}
        places = [i + position * width for i, w in enumerate(workloads) if w in walls]
        axes.bar(places, list(walls.values()), width, label=system)
    axes.set_yscale("log")
    axes.set_ylabel("wall seconds (log)")
    axes.set_xticks([i + 0.4 - width / 2 for i in range(len(workloads))])
    axes.set_xticklabels([f"{w}\n{WORKLOAD_NAMES[w]}" for w in workloads], fontsize=7)
    axes.legend(fontsize=8, ncols=2)
    axes.grid(axis="y", alpha=0.3)
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
