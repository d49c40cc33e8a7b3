"""Pictures of the command line: the output of commands on a local stack, as SVG."""

import io
import re
import shlex
import subprocess
import tempfile
from pathlib import Path

from rich.console import Console
from rich.text import Text

from tools.pictures.stack import PICTURES, PictureStack, picture_stack

COLUMNS = 112
TERM = "xterm-256color"
DOCUMENTS = 200
PREFIX = "invoices/2026/"
NAME = "invoices-2026"

SETTINGS = ("segmentMib=32", "zipperMaxConcurrency=2")
"""Small segments and few workers, so that the job runs long enough to show its progress bar."""

RUNNING_SHARE = (0.3, 0.8)
"""The progress to show in the picture of a running job."""

_BAR = re.compile(r"(\d+) of (\d+) entries .* MB/s .*\d:\d\d:\d\d")
_NEXT_FRAME = "\r\x1b[2K"
_ERASED_BAR = re.compile(r"[^\n]*\n\x1b\[\?25h\r\x1b\[1A\x1b\[2K")
"""rich ends a transient progress bar by erasing its line."""

_WEB_FONT = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)
"""Browsers load no fonts for an SVG that a page shows as an image."""


def write_terminal() -> list[Path]:
    """Write the pictures and return their paths. Raises CalledProcessError if a command fails."""
    with (
        tempfile.TemporaryDirectory(prefix="zip-jobs-pictures-") as folder,
        picture_stack(Path(folder), *SETTINGS) as stack,
    ):
        _create_jobs(stack)
        submit = f"zipjobs submit --prefix {PREFIX} --name {NAME} --wait"
        output = _run(stack, submit)
        (job_id,) = re.findall(r"Job +(\S+)", Text.from_ansi(output).plain)
        download, verify = f"zipjobs download {job_id}", f"zipjobs verify {NAME}.zip"
        return [
            _save("submit-running", {submit: running_frame(output)}),
            _save("submit-ready", {submit: output}),
            *(
                _save(name, {f"zipjobs {name}": _run(stack, f"zipjobs {name}")})
                for name in ("list", "doctor")
            ),
            _save("verify", {command: _run(stack, command) for command in (download, verify)}),
        ]


def _create_jobs(stack: PictureStack) -> None:
    """Upload documents and create a READY, a FAILED and a CANCELLED job."""
    generate = ("--generate", str(DOCUMENTS), "--out", str(stack.folder.parent / "samples"))
    stack.run("bulk-upload", *generate, "--prefix", PREFIX)
    some = [f"{PREFIX}document-{number:04}.pdf" for number in range(1, 13)]
    stack.run("submit", *some, "--manifest", "first-dozen", "--wait")
    stack.run("submit", some[0], "invoices/2025/document-0001.pdf", "--wait")
    job = stack.run("submit", "--prefix", PREFIX)
    stack.run("cancel", job["jobId"])


def _run(stack: PictureStack, command: str) -> str:
    """Run a command as if in a terminal. Return its output with ANSI codes."""
    return subprocess.run(  # noqa: S603  (our own commands)
        shlex.split(command),
        cwd=stack.folder,
        env={**stack.environment, "FORCE_COLOR": "1", "TERM": TERM, "COLUMNS": str(COLUMNS)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=True,
    ).stdout.decode()


def running_frame(output: str) -> str:
    """Return a frame that shows the progress bar in the middle. Raises ValueError without one."""
    least, most = RUNNING_SHARE
    for frame in output.split(_NEXT_FRAME):
        found = _BAR.search(Text.from_ansi(frame).plain)
        if found and least <= int(found[1]) / int(found[2]) <= most:
            return frame
    raise ValueError("The job finished without a frame in the middle: increase DOCUMENTS.")


def without_bars(output: str) -> str:
    """Return ``output`` without progress bars that were erased."""
    return _ERASED_BAR.sub("", output).rstrip()


def _save(name: str, outputs: dict[str, str]) -> Path:
    """Save commands with their outputs as one picture."""
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), highlight=False)
    for command, output in outputs.items():
        console.print(f"[green]$[/] [bold]{command}[/]")
        console.print(Text.from_ansi(without_bars(output)))
    path = PICTURES / f"{name}.svg"
    path.write_text(_WEB_FONT.sub("", console.export_svg(title="zipjobs", unique_id=name)))
    return path
