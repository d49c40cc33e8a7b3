"""Text on the screen."""

from zipjobs_cli.output.screen import counted, printable


def test_counted_uses_the_singular_only_for_one() -> None:
    assert counted(1, "entry", "entries") == "1 entry"
    assert counted(1000, "entry", "entries") == "1,000 entries"
    assert counted(0, "entry", "entries") == "0 entries"


def test_control_characters_are_escaped() -> None:
    assert printable("größe \x1b[2J\u202e\ud800\n.pdf") == "größe \\x1b[2J\\u202e\\ud800\\n.pdf"
