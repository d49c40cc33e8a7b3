"""What the recorder draws of commands that run in its terminal."""

import os
import re
import subprocess
import sys
from html import unescape
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tools.pictures.recorder import Screen, Terminal


@pytest.fixture
def terminal(tmp_path: Path) -> Terminal:
    return Terminal(60, tmp_path, {"PATH": os.environ["PATH"]})


def drawn(screen: Screen) -> list[list[str]]:
    """The words in the drawing, line by line."""
    root = ElementTree.fromstring(screen.svg("drawing"))
    lines: dict[float, list[tuple[float, str]]] = {}
    for text in root.iter("{http://www.w3.org/2000/svg}text"):
        piece = (float(text.attrib["x"]), text.text or "")
        lines.setdefault(float(text.attrib["y"]), []).append(piece)
    words = [" ".join(piece for _, piece in sorted(lines[y])).split() for y in sorted(lines)]
    return [line for line in words if line]


def test_the_drawing_shows_the_command_and_what_it_wrote(terminal: Terminal) -> None:
    screen = terminal.run("echo 'größer <&> kleiner'; echo wrong >&2")[-1]
    assert screen.text == "$ echo 'größer <&> kleiner'; echo wrong >&2\ngrößer <&> kleiner\nwrong"
    assert drawn(screen) == [line.split() for line in screen.text.split("\n")]


def test_the_next_command_stands_below_the_last(terminal: Terminal) -> None:
    terminal.run("echo one")
    assert terminal.run("echo two")[-1].text == "$ echo one\none\n$ echo two\ntwo"


def test_the_command_has_a_terminal_as_wide_as_the_drawing(terminal: Terminal) -> None:
    assert terminal.run("test -t 0 && test -t 1 && test -t 2 && stty size")[-1].text.endswith(" 60")


def test_what_is_written_over_is_gone(terminal: Terminal) -> None:
    screen = terminal.run(r"printf 'one\ntwo and more\r\033[2Kthree\n\033[Afour'; echo")[-1]
    assert screen.text.splitlines()[-2:] == ["one", "foure"]


def test_colours_and_weights_are_drawn(terminal: Terminal) -> None:
    svg = terminal.run(r"printf '\033[31mred\033[0m \033[1mbold\033[0m plain\n'")[-1].svg("c")
    style = {
        unescape(text): re.search(rf"\.{name} {{ (.*?) }}", svg)
        for name, text in re.findall(r'<text class="([\w-]+)"[^>]*>([^<]+)</text>', svg)
    }
    rules = {text.strip("\xa0"): found[1] for text, found in style.items() if found}
    assert "bold" in rules["bold"]
    assert len({rules["red"], rules["bold"], rules["plain"]}) == 3


def test_the_same_screen_is_drawn_in_the_same_way(tmp_path: Path) -> None:
    drawings = {
        Terminal(60, tmp_path, {"PATH": os.environ["PATH"]}).run("echo same")[-1].svg("same")
        for _ in range(2)
    }
    assert len(drawings) == 1


def test_a_drawing_asks_for_nothing_from_elsewhere(terminal: Terminal) -> None:
    svg = terminal.run("true")[-1].svg("alone")
    assert set(re.findall(r"https?://[^\"') ]+", svg)) == {"http://www.w3.org/2000/svg"}


def test_a_command_that_fails_is_an_error_with_what_it_said(terminal: Terminal) -> None:
    with pytest.raises(subprocess.CalledProcessError) as raised:
        terminal.run("echo why; exit 3")
    assert (raised.value.returncode, raised.value.cmd) == (3, "echo why; exit 3")
    assert raised.value.output.endswith("\nwhy")


def test_a_bar_of_rich_is_seen_moving_and_gone_at_the_end(
    terminal: Terminal, tmp_path: Path
) -> None:
    (tmp_path / "bar.py").write_text(
        "import time\n"
        "from rich.progress import Progress\n"
        "with Progress(transient=True, auto_refresh=False) as progress:\n"
        "    task = progress.add_task('Zipping', total=4)\n"
        "    for _ in range(4):\n"
        "        progress.advance(task)\n"
        "        progress.refresh()\n"
        "        time.sleep(0.3)\n"
        "print('done')\n"
    )
    screens = terminal.run(f"{sys.executable} bar.py")
    assert any(re.search(r"Zipping ━+.* (25|50|75|100)%", screen.text) for screen in screens)
    assert "Zipping" not in screens[-1].text
    assert screens[-1].text.endswith("\ndone")
