"""The command line ``zipjobs``. Commands are in ``zipjobs_cli/commands/``."""

import signal
import sys
from collections.abc import Sequence

import typer

from zipjobs_cli.commands.archives import download_command, verify_command
from zipjobs_cli.commands.checks import doctor_command, flow_command, smoke_command
from zipjobs_cli.commands.jobs import cancel_command, list_command, status_command, watch_command
from zipjobs_cli.commands.options import global_options
from zipjobs_cli.commands.page import docs_command
from zipjobs_cli.commands.redrive import redrive_command
from zipjobs_cli.commands.submit import submit_command
from zipjobs_cli.commands.uploads import bulk_upload_command, generate_command
from zipjobs_cli.output.failures import error_message
from zipjobs_cli.output.screen import print_error, program

FAILED = 2
"""Exit code of wrong usage, and of commands that cannot be carried out."""

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)

app.callback()(global_options)
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
    """Run the command line with ``arguments`` (default: those of the process).

    Returns the exit code of a command that cannot be carried out. Raises SystemExit otherwise.
    """
    if arguments is None:  # shells start background processes with SIGINT ignored
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        app(arguments, prog_name=program())
    except Exception as error:
        message = error_message(error)
        if message is None:
            raise
        print_error(message)
    return FAILED


if __name__ == "__main__":
    sys.exit(main())
