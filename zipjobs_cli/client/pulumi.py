"""Asks Pulumi for a stack's outputs."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

from zipjobs_cli.errors import CliError

TIMEOUT_SECONDS = 60
"""Of one question: the state may lie in a bucket far away."""

WAYS = (
    "A stack is found by its address (--api-url, ZIPJOBS_API_URL), by itself if it runs on this "
    "machine (`make local`), or by Pulumi (--stack, ZIPJOBS_STACK, or the one that is selected)."
)


def project_folder() -> Path:
    """Where the Pulumi program is: with this code, or else in the current folder or above it."""
    with_this_code = Path(__file__).resolve().parents[1]
    here = Path.cwd()
    for folder in (with_this_code, here, *here.parents):
        if (folder / "Pulumi.yaml").is_file():
            return folder
    return here


def stack_outputs(name: str | None) -> dict[str, Any]:
    """The outputs of the stack of that name, or of the one that is selected.

    Raises CliError if there is no Pulumi, no such stack, or no answer.
    """
    wanted = f"the stack {name}" if name else "a stack"
    program = shutil.which("pulumi")
    if program is None:
        raise CliError(f"No stack was found. {WAYS} Pulumi is not installed here.")
    command = [program, "--non-interactive", "stack", "output", "--json"]
    try:
        done = subprocess.run(  # noqa: S603  (the user's own Pulumi)
            [*command, *(("--stack", name) if name else ())],
            cwd=project_folder(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=TIMEOUT_SECONDS,
        )
    except subprocess.TimeoutExpired as error:
        raise CliError(f"Pulumi did not tell of {wanted} in {TIMEOUT_SECONDS} seconds.") from error
    except OSError as error:
        raise CliError(f"{program} cannot be run: {error.strerror}.") from error
    if done.returncode:
        said = " ".join(done.stderr.decode(errors="replace").split()) or "nothing"
        raise CliError(f"Pulumi does not know {wanted}. {WAYS} Pulumi says: {said}")
    try:
        outputs = json.loads(done.stdout)
    except ValueError as error:
        raise CliError(f"Pulumi's answer about {wanted} is not JSON.") from error
    if not isinstance(outputs, dict) or not outputs:
        raise CliError(f"Pulumi's answer about {wanted} has no outputs: `pulumi up` makes them.")
    return outputs
