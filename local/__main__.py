"""``python -m local up`` runs the embedded AWS; ``python -m local demo`` shows it at work."""

import argparse
import json
import signal
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from types import FrameType

from rich.console import Console
from rich.markup import escape

from local.announcement import announced
from local.errors import LocalError
from local.faults.plan import FaultPlan
from local.instructions import welcome
from local.stack import running_stack
from zipjobs_cli.client.local_stacks import DEFAULT_PORT

INTERRUPTED = 130
RANDOM = "random"

WAKES_SECONDS = 1
"""How long a signal that another thread was given may go unheard."""


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
    up.add_argument(
        "--set",
        action="append",
        default=[],
        type=_setting,
        metavar="NAME=VALUE",
        help="a setting of Pulumi.yaml, such as apiAuth=none; may be repeated",
    )
    up.add_argument("--json", action="store_true", help="print one JSON line when ready")
    up.add_argument(
        "--faults",
        metavar="PLAN",
        help="let things go wrong: by a plan (docs/faults.md), or random for one that is drawn",
    )
    up.add_argument("--seed", type=int, help="of the faults, in place of the plan's own")
    commands.add_parser("demo", help="zip 200 PDFs, by manifest and by API, and check the ZIPs")
    options = parser.parse_args()
    if options.command == "up" and options.seed is not None and options.faults is None:
        parser.error("--seed goes with --faults")
    for stop in (
        signal.SIGTERM,
        signal.SIGINT,
    ):  # shells start what runs behind them without SIGINT
        signal.signal(stop, _interrupt)
    try:
        if options.command == "demo":
            from local.demo import run_demo

            return run_demo()
        faults = _plan(options.faults, options.seed)
        return _up(options.port, options.json, faults, dict(options.set))
    except LocalError as error:
        message = f"[bold red]Cannot start:[/] {escape(str(error))}"
        Console(stderr=True).print(message, highlight=False, soft_wrap=True)
        return 1
    except KeyboardInterrupt:
        return 0 if options.command == "up" else INTERRUPTED


def _up(port: int, as_json: bool, faults: FaultPlan | None, overrides: Mapping[str, str]) -> int:
    if faults is not None:
        sys.stderr.write("# The fault plan. Save it, and --faults FILE plays it again.\n")
        sys.stderr.write(f"{faults.to_yaml()}\n")
    with (
        running_stack(port, overrides=overrides, log=_log, faults=faults) as stack,
        announced(stack.outputs),
    ):
        if as_json:
            print(json.dumps(dict(stack.outputs)), flush=True)  # noqa: T201
        else:
            welcome(Console(), stack.outputs)
        try:
            while not threading.Event().wait(WAKES_SECONDS):
                pass
        finally:
            for line in stack.faults.summary():
                sys.stderr.write(f"Injected {line}\n")
    return 0


def _setting(text: str) -> tuple[str, str]:
    """The name and the value of a setting; a value that is a list is JSON."""
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE")
    return name, value


def _plan(faults: str | None, seed: int | None) -> FaultPlan | None:
    """The plan of the command line. Raises LocalError."""
    if faults is None:
        return None
    if faults == RANDOM:
        return FaultPlan.random(seed)
    plan = FaultPlan.load(Path(faults))
    return plan if seed is None else plan.model_copy(update={"seed": seed})


def _log(function: str, line: str) -> None:
    """CloudWatch's lines, each behind its function's name."""
    sys.stderr.write(f"[{function}] {line}\n")


def _interrupt(signum: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
