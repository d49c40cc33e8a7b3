"""``generate-pdfs``: documents to try things with."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn

from zipjobs_cli.commands.options import JsonOption
from zipjobs_cli.errors import CliError
from zipjobs_cli.output.progress import bar
from zipjobs_cli.output.screen import counted, line, out

SAMPLES = Path("out/samples")
"""Where sample PDFs go, unless it is said otherwise."""

OutOption = Annotated[
    Path, typer.Option("--out", metavar="DIR", help="Where to write the sample PDFs.")
]
SeedOption = Annotated[
    int, typer.Option(metavar="N", min=0, help="Another number makes other sample PDFs.")
]


def generate_command(
    count: Annotated[
        int, typer.Argument(metavar="COUNT", min=1, help="How many.", show_default=False)
    ],
    folder: OutOption = SAMPLES,
    seed: SeedOption = 1,
    as_json: JsonOption = False,
) -> None:
    """Make sample PDFs of mixed sizes.

    Real documents with scanned pages, of about 1 MB each: most are smaller, one in a hundred has
    30 MB. The same count and seed make the same bytes; files of the same names are replaced.

    Exit codes:

    - 0: they are made
    - 2: wrong usage, or they cannot be written
    - 130: interrupted
    """
    paths = make_samples(count, folder, seed)
    size = sum(path.stat().st_size for path in paths)
    if as_json:
        told = {"folder": str(folder), "files": len(paths), "bytes": size, "seed": seed}
        typer.echo(json.dumps(told))
    else:
        text = f"{counted(len(paths), 'PDF', 'PDFs')} in {folder}, {size:,} bytes."
        out().print(line(text, "green"), soft_wrap=True)


def make_samples(count: int, folder: Path, seed: int) -> list[Path]:
    """Write sample PDFs, with a bar on standard error where that is a terminal.

    Returns their paths, in order. Raises CliError if they cannot be written.
    """
    from zipjobs_cli.uploads.sample_pdfs import generate  # fpdf2 and Pillow take a while to import

    paths = []
    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with bar(TextColumn("Making PDFs"), *columns) as progress:
        task = progress.add_task("", total=count)
        try:
            for path in generate(count, folder, seed):
                paths.append(path)
                progress.advance(task)
        except OSError as error:
            raise CliError(f"{folder} cannot be written to: {error.strerror}.") from error
    return paths
