"""The command line ``zipjobs``. Each command is a module of ``zipjobs_cli/commands/``."""

import signal
import sys
from collections.abc import Sequence

import typer

from zipjobs_cli.commands.bulk import bulk_upload_command
from zipjobs_cli.commands.docs import docs_command
from zipjobs_cli.commands.doctor import doctor_command
from zipjobs_cli.commands.download import download_command
from zipjobs_cli.commands.flow import flow_command
from zipjobs_cli.commands.generate import generate_command
from zipjobs_cli.commands.options import remember_where
from zipjobs_cli.commands.redrive import redrive_command
from zipjobs_cli.commands.smoke import smoke_command
from zipjobs_cli.commands.status import cancel_command, list_command, status_command
from zipjobs_cli.commands.submit import submit_command
from zipjobs_cli.commands.verify import verify_command
from zipjobs_cli.commands.watch import watch_command
from zipjobs_cli.output.failures import explained
from zipjobs_cli.output.screen import err, line, program

CANNOT = 2
"""The exit code of wrong usage, and of all that cannot be done."""

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)


app.callback()(remember_where)
app.command("submit")(submit_command)
app.command("status")(status_command)
app.command("list")(list_command)
app.command("watch")(watch_command)
app.command("cancel")(cancel_command)
app.command("download")(download_command)
app.command("verify")(verify_command)
app.command("redrive")(redrive_command)
app.command("doctor")(doctor_command)
app.command("docs")(docs_command)
app.command("generate-pdfs")(generate_command)
app.command("bulk-upload")(bulk_upload_command)
app.command("test-flow")(flow_command)
app.command("smoke")(smoke_command)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line: that of the process, unless there are ``arguments``.

    Returns the exit code if the command cannot be carried out. Raises SystemExit otherwise.
    """
    if arguments is None:  # shells start what runs behind them without SIGINT
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        app(arguments, prog_name=program())
    except Exception as error:
        told = explained(error)
        if told is None:
            raise
        for text in told.splitlines():
            err().print(line(text, "bold red"), soft_wrap=True)
    return CANNOT


if __name__ == "__main__":
    sys.exit(main())
