"""Pictures of the command line: what it shows in a terminal, about a stack that runs for it."""

import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tools.pictures.recorder import Screen, Terminal
from tools.pictures.stack import PICTURES, PictureStack, picture_stack

COLUMNS = 112
DOCUMENTS = 200
PREFIX = "invoices/2026/"
NAME = "invoices-2026"

SETTINGS = ("segmentMib=32", "zipperMaxConcurrency=2")
"""So that this is a large job, and takes long enough to be seen."""

MIDDLE = (0.3, 0.8)
"""Of the entries. A picture of the bar shows something between."""

_BAR = re.compile(r"(\d+) of (\d+) entries .* MB/s \d:\d\d:\d\d")
"""With a rate, and the time left."""


def write_terminal() -> list[Path]:
    """Write the pictures, and return their paths. Raises what ``Terminal.run`` raises."""
    written = []
    with (
        tempfile.TemporaryDirectory(prefix="zip-jobs-pictures-") as folder,
        picture_stack(Path(folder), *SETTINGS) as stack,
    ):
        _prepare(stack)
        for name, screen in _pictures(stack):
            path = PICTURES / f"{name}.svg"
            path.write_text(screen.svg(name))
            written.append(path)
    return written


def _prepare(stack: PictureStack) -> None:
    """Documents, and jobs of the past: one of each end, and one by manifest."""
    generate = ("--generate", str(DOCUMENTS), "--out", str(stack.folder.parent / "samples"))
    stack.run("bulk-upload", *generate, "--prefix", PREFIX)
    some = [f"{PREFIX}document-{number:04}.pdf" for number in range(1, 13)]
    stack.run("submit", *some, "--manifest", "first-dozen", "--wait")
    stack.run("submit", some[0], "invoices/2025/document-0001.pdf", "--wait")
    job = stack.run("submit", "--prefix", PREFIX)
    stack.run("cancel", job["jobId"])


def _pictures(stack: PictureStack) -> Iterator[tuple[str, Screen]]:
    screens = _terminal(stack).run(f"zipjobs submit --prefix {PREFIX} --name {NAME} --wait")
    yield "submit-running", _in_the_middle(screens)
    yield "submit-ready", screens[-1]
    yield "list", _terminal(stack).run("zipjobs list")[-1]
    yield "doctor", _terminal(stack).run("zipjobs doctor")[-1]
    (job_id,) = re.findall(r"Job +(\S+)", screens[-1].text)
    terminal = _terminal(stack)
    terminal.run(f"zipjobs download {job_id}")
    yield "verify", terminal.run(f"zipjobs verify {NAME}.zip")[-1]


def _terminal(stack: PictureStack) -> Terminal:
    return Terminal(COLUMNS, stack.folder, stack.environment)


def _in_the_middle(screens: list[Screen]) -> Screen:
    """The first on which a bar is in the middle. Raises ValueError if there is none."""
    least, most = MIDDLE
    for screen in screens:
        found = _BAR.search(screen.text)
        if found and least <= int(found[1]) / int(found[2]) <= most:
            return screen
    raise ValueError("No bar was seen in the middle: it takes more documents here.")
