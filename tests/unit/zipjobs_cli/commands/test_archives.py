"""``verify``: output and exit codes."""

import json
import os
import subprocess
import sys

import pytest

from tests.unit.zipjobs_cli.conftest import ROOT, Make, Pair, run, write_archive
from zipjobs_cli.commands.archives import MAX_ROWS


def test_a_match_is_one_line_on_stdout(make: Make, capsys: pytest.CaptureFixture[str]) -> None:
    pair = make()
    assert run("verify", pair.archive, pair.receipt) == 0
    out, err = capsys.readouterr()
    assert out.startswith(f"{pair.archive} matches its receipt: 4 entries, ")
    assert len(out.splitlines()) == 1
    assert err == ""


def test_the_default_receipt_is_beside_the_archive(
    make: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    pair = make(skipped=2)
    assert run("verify", pair.archive) == 0
    assert "; 2 objects skipped: 2 SOURCE_ARCHIVED." in capsys.readouterr().out
    pair.receipt.unlink()
    assert run("verify", pair.archive) == 2
    assert f"{pair.receipt} cannot be read" in capsys.readouterr().err


def test_differences_are_a_table_without_wrapped_lines(
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


def test_a_long_table_ends_with_the_number_of_other_rows(
    make: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    pair = make({f"{i}.pdf": b"" for i in range(MAX_ROWS + 7)})
    write_archive(pair.archive, [])
    assert run("verify", pair.archive) == 1
    assert "… and 10 more." in capsys.readouterr().out
    assert run("verify", "--json", pair.archive) == 1
    assert len(json.loads(capsys.readouterr().out)["differences"]) == MAX_ROWS + 10


def test_json_is_the_only_output(make: Make, capsys: pytest.CaptureFixture[str]) -> None:
    pair = make(skipped=1)
    size = pair.archive.stat().st_size
    assert run("verify", "--json", pair.archive, pair.receipt) == 0
    out, err = capsys.readouterr()
    result = json.loads(out)
    assert result == {
        "matches": True,
        "archive": str(pair.archive),
        "receipt": str(pair.receipt),
        "size": size,
        "crc32": result["crc32"],
        "entries": 4,
        "skipped": 1,
        "skippedReasons": {"SOURCE_ARCHIVED": 1},
        "differences": [],
    }
    assert (out.count("\n"), err) == (1, "")
    pair.change_receipt(lambda receipt: receipt["entries"][1].update(size=1))
    assert run("verify", pair.archive, pair.receipt, "--json") == 1
    result = json.loads(capsys.readouterr().out)
    assert result["matches"] is False
    assert result["differences"] == [
        {"kind": "size", "name": "2026/größe.pdf", "expected": 1, "found": 7}
    ]


def damage(pair: Pair, how: str) -> None:
    if how == "no archive":
        pair.archive.unlink()
    elif how == "truncated archive":
        pair.archive.write_bytes(pair.archive.read_bytes()[:-30])
    else:
        pair.change_receipt(lambda receipt: receipt.update(version="\x1b[2J2"))


@pytest.mark.parametrize("how", ["no archive", "truncated archive", "unknown version"])
@pytest.mark.parametrize("options", [[], ["--json"]])
def test_an_unreadable_file_is_one_line_and_exit_code_2(
    make: Make, capsys: pytest.CaptureFixture[str], how: str, options: list[str]
) -> None:
    pair = make()
    damage(pair, how)
    assert run("verify", pair.archive, pair.receipt, *options) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1
    assert str(pair.archive.parent) in err
    assert "\x1b" not in err


def test_only_a_terminal_gets_a_progress_bar(make: Make) -> None:
    pair = make()
    command = [sys.executable, "-m", "zipjobs_cli", "verify", str(pair.archive)]
    terminal, stderr = os.openpty()
    done = subprocess.run(
        command,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=stderr,
        check=True,
        env={**os.environ, "TERM": "xterm"},
    )
    os.close(stderr)
    assert b"Reading" in os.read(terminal, 65_536)
    os.close(terminal)
    assert b"\x1b" not in done.stdout
    assert done.stdout.endswith(b".\n")
