"""``python -m local up`` runs the embedded AWS; ``python -m local demo`` shows it at work."""

import argparse
import json
import signal
import sys
import threading
from types import FrameType

from rich.console import Console

from local.errors import LocalError
from local.screen import welcome
from local.stack import running_stack

DEFAULT_PORT = 8700
INTERRUPTED = 130


def main() -> int:
    """Parse the command line and run it.

    Returns the exit code: 0; 1 if it failed; 130 if the demo was interrupted.
    """
    parser = argparse.ArgumentParser(prog="python -m local", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    up = commands.add_parser("up", help="run the stack until Ctrl-C")
    up.add_argument(
        "--port",
        type=int,
        default=DEFAULT_PORT,
        help=f"of the AWS endpoint; the API listens on the next one (default {DEFAULT_PORT}, "
        "0 picks free ones)",
    )
    up.add_argument("--json", action="store_true", help="print one JSON line when ready")
    commands.add_parser("demo", help="zip 200 PDFs, by manifest and by API, and check the ZIPs")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        if options.command == "demo":
            from local.demo import run_demo

            return run_demo()
        return _up(options.port, options.json)
    except LocalError as error:
        Console(stderr=True).print(f"[bold red]Cannot start:[/] {error}", highlight=False)
        return 1
    except KeyboardInterrupt:
        return 0 if options.command == "up" else INTERRUPTED


def _up(port: int, as_json: bool) -> int:
    with running_stack(port, log=_log) as stack:
        if as_json:
            print(json.dumps(dict(stack.outputs)), flush=True)  # noqa: T201
        else:
            welcome(Console(), stack.outputs)
        threading.Event().wait()
    return 0


def _log(function: str, line: str) -> None:
    """CloudWatch's lines, each behind its function's name."""
    sys.stderr.write(f"[{function}] {line}\n")


def _interrupt(signum: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
