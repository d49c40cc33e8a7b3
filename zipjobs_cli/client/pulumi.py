"""Read the outputs of a Pulumi stack."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

from zipjobs_cli.errors import CliError

TIMEOUT_SECONDS = 60
"""Timeout of a Pulumi command, which may read its state from a distant bucket."""

WAYS = (
    "Set --api-url or ZIPJOBS_API_URL to the URL of the API, run `make local`, or name a Pulumi "
    "stack with --stack or ZIPJOBS_STACK (default: the selected stack)."
)


def project_folder() -> Path:
    """Return the folder of Pulumi.yaml: this checkout, the current folder or one of its parents."""
    checkout = Path(__file__).resolve().parents[2]
    current = Path.cwd()
    for folder in (checkout, current, *current.parents):
        if (folder / "Pulumi.yaml").is_file():
            return folder
    return current


def stack_outputs(name: str | None) -> dict[str, Any]:
    """Return the outputs of the stack ``name``, or of the selected stack.

    Raises CliError if Pulumi is not installed, the stack does not exist, or Pulumi fails.
    """
    stack = f"the stack {name}" if name else "the selected stack"
    program = shutil.which("pulumi")
    if program is None:
        raise CliError(f"No stack found. {WAYS} Pulumi is not installed.")
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
        raise CliError(
            f"Pulumi did not return the outputs of {stack} within {TIMEOUT_SECONDS} seconds."
        ) from error
    except OSError as error:
        raise CliError(f"{program} cannot be run: {error.strerror}.") from error
    if done.returncode:
        message = " ".join(done.stderr.decode(errors="replace").split()) or "no error message"
        raise CliError(f"Pulumi cannot read {stack}: {message}. {WAYS}")
    try:
        outputs = json.loads(done.stdout)
    except ValueError as error:
        raise CliError(f"Pulumi's output for {stack} is not JSON.") from error
    if not isinstance(outputs, dict) or not outputs:
        raise CliError(f"Pulumi has no outputs for {stack}. Run `pulumi up`.")
    return outputs
