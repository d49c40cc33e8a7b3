"""Runs the embedded AWS (``python -m local up``) or its demo (``python -m local demo``)."""

import argparse
import json
import signal
import sys
import threading
from contextlib import ExitStack
from pathlib import Path
from types import FrameType

from rich.console import Console
from rich.markup import escape

from local.announcement import announced
from local.errors import LocalError
from local.faults.plan import FaultPlan
from local.instructions import print_instructions
from local.stack import running_pulumi_stack, running_stack
from zipjobs_cli.client.local_stacks import DEFAULT_PORT

INTERRUPTED = 130
RANDOM = "random"
MAX_PORT = 65_534
"""The highest port of the AWS endpoint. The API uses the next port."""

SIGNAL_CHECK_SECONDS = 1
"""The main thread handles a signal only when it wakes up."""


def main() -> int:
    """Parse the command line and run it.

    Return the exit code: 0, 1 for a failure, or 130 for an interrupted demo.
    """
    parser = argparse.ArgumentParser(prog="python -m local", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    up = commands.add_parser("up", help="run the stack until Ctrl-C is pressed")
    up.add_argument(
        "--port",
        type=_port,
        default=DEFAULT_PORT,
        help=f"port of the AWS endpoint. The API uses the next port. Default: {DEFAULT_PORT}. "
        "0: free ports",
    )
    up.add_argument(
        "--set",
        action="append",
        default=[],
        type=_setting,
        metavar="NAME=VALUE",
        help="override a setting of Pulumi.yaml, such as apiAuth=none. Can be repeated",
    )
    up.add_argument(
        "--scale-out",
        action="store_true",
        help="start workers as Lambda does for a queue: 5 at once, then 300 more per minute",
    )
    up.add_argument(
        "--json",
        action="store_true",
        help="print the stack's outputs as one line of JSON when it is ready",
    )
    up.add_argument(
        "--faults",
        metavar="PLAN",
        help="inject faults: a plan in YAML (docs/faults.md), or random",
    )
    up.add_argument(
        "--pulumi",
        action="store_true",
        help="deploy with `pulumi up`, and print how to use pulumi on the stack",
    )
    up.add_argument("--seed", type=int, help="seed of the fault plan, in place of its own")
    commands.add_parser("demo", help="zip 200 PDFs, by manifest and by API, and check the ZIPs")
    options = parser.parse_args()
    if options.command == "up" and options.seed is not None and options.faults is None:
        parser.error("--seed requires --faults")
    for stop in (signal.SIGTERM, signal.SIGINT):  # shells ignore SIGINT in background jobs
        signal.signal(stop, _interrupt)
    try:
        if options.command == "demo":
            from local.demo import run_demo

            return run_demo()
        faults = _plan(options.faults, options.seed)
        return _up(options, faults)
    except LocalError as error:
        message = f"[bold red]Cannot start:[/] {escape(str(error))}"
        Console(stderr=True).print(message, highlight=False, soft_wrap=True)
        return 1
    except KeyboardInterrupt:
        return 0 if options.command == "up" else INTERRUPTED


def _up(options: argparse.Namespace, faults: FaultPlan | None) -> int:
    if faults is not None:
        sys.stderr.write("# The fault plan. To replay it, save it and use --faults FILE.\n")
        sys.stderr.write(f"{faults.to_yaml()}\n")
    with ExitStack() as cleanup:
        engine = None
        port, overrides, scales_out = options.port, dict(options.set), options.scale_out
        if options.pulumi:
            deployed = running_pulumi_stack(port, overrides, _log, scales_out=scales_out)
            stack, engine = cleanup.enter_context(deployed)
        else:
            created = running_stack(port, "dev", overrides, _log, scales_out=scales_out)
            stack = cleanup.enter_context(created)
        if faults is not None:
            stack.faults.install(faults)
        cleanup.enter_context(announced(stack.outputs))
        if options.json:
            print(json.dumps(dict(stack.outputs)), flush=True)  # noqa: T201
        else:
            print_instructions(Console(), stack.outputs, engine.exports if engine else ())
        try:
            while not threading.Event().wait(SIGNAL_CHECK_SECONDS):
                pass
        finally:
            for line in stack.faults.summary():
                sys.stderr.write(f"Injected {line}\n")
    return 0


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > MAX_PORT:
        raise argparse.ArgumentTypeError(f"{text!r} must be a port number from 0 to {MAX_PORT}")
    return int(text)


def _setting(text: str) -> tuple[str, str]:
    """Parse NAME=VALUE. A list is JSON."""
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise argparse.ArgumentTypeError(f"{text!r} must have the form NAME=VALUE")
    return name, value


def _plan(faults: str | None, seed: int | None) -> FaultPlan | None:
    """Return the fault plan of the command line. Raises LocalError."""
    if faults is None:
        return None
    if faults == RANDOM:
        return FaultPlan.random(seed)
    plan = FaultPlan.load(Path(faults))
    return plan if seed is None else plan.model_copy(update={"seed": seed})


def _log(function: str, line: str) -> None:
    """Print a line of a function's log."""
    sys.stderr.write(f"[{function}] {line}\n")


def _interrupt(signum: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
