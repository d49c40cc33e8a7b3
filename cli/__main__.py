"""``python -m cli``: what a person types. Each command is a module of ``cli/commands/``."""

import sys
from collections.abc import Sequence

import typer
from rich.console import Console

from cli.commands.generate import generate_command
from cli.commands.verify import verify_command
from cli.errors import CliError
from cli.screen import line

PROGRAM = "python -m cli"
CANNOT = 2
"""The exit code of wrong usage, and of all that cannot be done."""

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)


@app.callback()
def _all_commands() -> None:
    """ZIP archives of objects in S3."""


app.command("generate-pdfs")(generate_command)
app.command("verify")(verify_command)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line: that of the process, unless there are ``arguments``.

    Returns the exit code if the command cannot be carried out. Raises SystemExit otherwise.
    """
    try:
        app(arguments, prog_name=PROGRAM)
    except CliError as error:
        Console(stderr=True).print(line(str(error), "bold red"), highlight=False, soft_wrap=True)
    return CANNOT


if __name__ == "__main__":
    sys.exit(main())
