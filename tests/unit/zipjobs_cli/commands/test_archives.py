"""The command line: what it prints where, and how it ends."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import cast

import pytest

from tests.unit.zipjobs_cli.conftest import Make, Pair, write_archive
from zipjobs_cli.__main__ import main
from zipjobs_cli.commands.verify import MOST_SHOWN
from zipjobs_cli.output.screen import counted, printable

ROOT = Path(__file__).resolve().parents[4]


def run(*arguments: object) -> int:
    """The exit code."""
    try:
        return main([str(argument) for argument in arguments])
    except SystemExit as end:
        return cast("int", end.code)


def test_a_match_is_a_sentence(make: Make, capsys: pytest.CaptureFixture[str]) -> None:
    pair = make()
    assert run("verify", pair.archive, pair.receipt) == 0
    out, err = capsys.readouterr()
    assert out.startswith(f"{pair.archive} matches its receipt: 4 entries, ")
    assert len(out.splitlines()) == 1
    assert err == ""


def test_a_receipt_beside_its_archive_need_not_be_named(
    make: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    pair = make(skipped=2)
    assert run("verify", pair.archive) == 0
    assert "2 skipped, which did not exist" in capsys.readouterr().out
    pair.receipt.unlink()
    assert run("verify", pair.archive) == 2
    assert f"{pair.receipt} cannot be read" in capsys.readouterr().err


def test_all_that_differs_is_a_table_of_unbroken_lines(
    make: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    name = "deep/" * 60 + "größe [bold].pdf"
    pair = make({name: b"one", "b": b"two"})
    write_archive(pair.archive, [(name, b"One"), ("b", b"two")])
    assert run("verify", pair.archive, pair.receipt) == 1
    out, err = capsys.readouterr()
    first, *rows = out.splitlines()
    assert first == f"{pair.archive} does not match {pair.receipt}: 2 differences."
    (row,) = [row for row in rows if name in row]
    assert row.split()[0] == "CRC-32"
    assert err == ""


def test_a_long_table_ends_with_how_many_more_there_are(
    make: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    pair = make({f"{i}.pdf": b"" for i in range(MOST_SHOWN + 7)})
    write_archive(pair.archive, [])
    assert run("verify", pair.archive) == 1
    assert "… and 10 more; --json tells all." in capsys.readouterr().out
    assert run("verify", "--json", pair.archive) == 1
    assert len(json.loads(capsys.readouterr().out)["differences"]) == MOST_SHOWN + 10


def test_json_has_all_and_nothing_else_is_printed(
    make: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    pair = make(skipped=1)
    size = pair.archive.stat().st_size
    assert run("verify", "--json", pair.archive, pair.receipt) == 0
    out, err = capsys.readouterr()
    told = json.loads(out)
    assert told == {
        "matches": True,
        "archive": str(pair.archive),
        "receipt": str(pair.receipt),
        "size": size,
        "crc32": told["crc32"],
        "entries": 4,
        "skipped": 1,
        "differences": [],
    }
    assert (out.count("\n"), err) == (1, "")
    pair.change_receipt(lambda receipt: receipt["entries"][1].update(size=1))
    assert run("verify", pair.archive, pair.receipt, "--json") == 1
    told = json.loads(capsys.readouterr().out)
    assert told["matches"] is False
    assert told["differences"] == [
        {"kind": "size", "name": "2026/größe.pdf", "expected": 1, "found": 7}
    ]


def spoil(pair: Pair, how: str) -> None:
    if how == "no archive":
        pair.archive.unlink()
    elif how == "not a ZIP":
        pair.archive.write_text("<Error><Code>AccessDenied</Code></Error>")
    elif how == "a truncated archive":
        pair.archive.write_bytes(pair.archive.read_bytes()[:-30])
    elif how == "no receipt":
        pair.receipt.unlink()
    elif how == "not JSON":
        pair.receipt.write_text("<Error>")
    elif how == "a truncated receipt":
        pair.receipt.write_bytes(pair.receipt.read_bytes()[:-30])
    elif how == "another version":
        pair.change_receipt(lambda receipt: receipt.update(version="\x1b[2J2"))


@pytest.mark.parametrize(
    "how",
    [
        "no archive",
        "not a ZIP",
        "a truncated archive",
        "no receipt",
        "not JSON",
        "a truncated receipt",
        "another version",
    ],
)
@pytest.mark.parametrize("options", [[], ["--json"]])
def test_what_cannot_be_read_is_a_sentence_and_exit_code_2(
    make: Make, capsys: pytest.CaptureFixture[str], how: str, options: list[str]
) -> None:
    pair = make()
    spoil(pair, how)
    assert run("verify", pair.archive, pair.receipt, *options) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1
    assert str(pair.archive.parent) in err
    assert "\x1b" not in err


@pytest.mark.parametrize("arguments", [["verify"], ["verify", "a", "b", "c"], ["nope"], []])
def test_wrong_usage_is_exit_code_2(
    capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    assert run(*arguments) == 2
    assert "Usage: python -m zipjobs_cli" in "".join(capsys.readouterr())


def test_help_tells_the_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("verify", "--help") == 0
    out = capsys.readouterr().out
    for code in ("0: the archive matches", "1: it does not", "2: wrong usage", "130: interrupted"):
        assert code in out


def test_one_is_one() -> None:
    assert counted(1, "entry", "entries") == "1 entry"
    assert counted(1000, "entry", "entries") == "1,000 entries"
    assert counted(0, "entry", "entries") == "0 entries"


def test_a_name_cannot_move_the_cursor() -> None:
    assert printable("größe \x1b[2J\u202e\ud800\n.pdf") == "größe \\x1b[2J\\u202e\\ud800\\n.pdf"


def test_a_terminal_sees_a_bar_on_standard_error_and_a_file_does_not(make: Make) -> None:
    pair = make()
    command = [sys.executable, "-m", "zipjobs_cli", "verify", str(pair.archive)]
    ours, theirs = os.openpty()
    done = subprocess.run(
        command,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=theirs,
        check=True,
        env={**os.environ, "TERM": "xterm"},
    )
    os.close(theirs)
    assert b"Reading" in os.read(ours, 65_536)
    os.close(ours)
    assert b"\x1b" not in done.stdout
    assert done.stdout.endswith(b".\n")
