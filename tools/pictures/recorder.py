"""Records a terminal: commands run in a pseudo-terminal, and the screen is drawn as SVG."""

import io
import os
import pty
import subprocess
import termios
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from bittty import Board
from rich.console import Console
from rich.text import Text

ROWS = 60
"""More than a picture has: nothing scrolls away."""

CHUNK_BYTES = 65_536

TYPE = "xterm-256color"
"""What programs are told that the terminal is."""

# Rich's own format loads a font from elsewhere, which no page does that shows SVG as an image.
_FORMAT = """\
<svg viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{
  font: {char_height}px ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace;
}}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}" />
</clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""


@dataclass(frozen=True)
class Screen:
    """What stands on a screen of ``columns``: as plain text, and with its colours as ANSI codes."""

    columns: int
    text: str
    ansi: str

    def svg(self, name: str) -> str:
        """A drawing. The same screen and ``name`` make the same text."""
        console = Console(record=True, width=self.columns, file=io.StringIO(), highlight=False)
        console.print(Text.from_ansi(self.ansi), no_wrap=True, overflow="crop", crop=True)
        console.print()
        drawn = console.export_svg(title="", code_format=_FORMAT, unique_id=name)
        return "\n".join(line.rstrip() for line in drawn.splitlines() if line.strip()) + "\n"


class Terminal:
    """A terminal of so many columns, in which ``/bin/sh`` runs commands in ``folder``.

    ``environment`` is all that they know of the world, besides the terminal.
    """

    def __init__(self, columns: int, folder: Path, environment: Mapping[str, str]) -> None:
        self._board = Board(width=columns, height=ROWS)
        self._folder = folder
        self._environment = {**environment, "TERM": TYPE}

    @property
    def screen(self) -> Screen:
        """As it is now, down to the last line that is not empty."""
        text = self._board.capture_text()
        rows = self._board.capture_pane().split("\n")[: text.count("\n") + 1]
        return Screen(self._board.width, text, "\n".join(rows))

    def run(self, command: str) -> list[Screen]:
        """Type a command behind a prompt, and run it to its end.

        Returns the screen as it was each time that something was written; the last one is how it
        is now. Raises CalledProcessError, with what stands on the screen, unless it exits with 0.
        """
        self._show(f"\x1b[32m$\x1b[0m \x1b[1m{command}\x1b[0m\r\n".encode())
        screens = [self.screen]
        leader, follower = pty.openpty()
        termios.tcsetwinsize(follower, (ROWS, self._board.width))
        with os.fdopen(leader, "rb", buffering=0) as output:
            try:
                process = subprocess.Popen(  # noqa: S603  (our own commands)
                    ["/bin/sh", "-c", command],
                    cwd=self._folder,
                    env=self._environment,
                    stdin=follower,
                    stdout=follower,
                    stderr=follower,
                    start_new_session=True,
                )
            finally:
                os.close(follower)
            with process:
                for chunk in _chunks(output):
                    self._show(chunk)
                    screens.append(self.screen)
        if process.returncode:
            raise subprocess.CalledProcessError(process.returncode, command, self.screen.text)
        return screens

    def _show(self, output: bytes) -> None:
        self._board.feed_host_data(output)


def _chunks(output: io.FileIO) -> Iterator[bytes]:
    """What is written to a terminal, until nobody has it open any more."""
    while True:
        try:
            chunk = output.read(CHUNK_BYTES)
        except OSError:  # EIO, which is how Linux says so
            return
        if not chunk:
            return
        yield chunk
