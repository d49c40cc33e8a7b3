"""Every command's help, and the options that all of them share."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from zipjobs_cli.__main__ import app
from zipjobs_cli.client.stack import StackSelector
from zipjobs_cli.commands.options import on_a_stack, remember_where

ROOT = Path(__file__).resolve().parents[4]
WITHOUT_A_STACK = {"verify", "generate-pdfs"}


def commands() -> list[str]:
    group: Any = typer.main.get_command(app)
    return sorted(group.commands)


def shown(*arguments: str) -> str:
    result = CliRunner().invoke(app, [*arguments, "--help"], env={"COLUMNS": "100", "TERM": "dumb"})
    assert result.exit_code == 0, result.output
    return result.output


def test_the_help_names_every_command() -> None:
    text = shown()
    for name in commands():
        assert f" {name} " in text


@pytest.mark.parametrize("command", commands())
def test_each_command_says_what_it_does_and_its_exit_codes(command: str) -> None:
    text = shown(command)
    assert f"Usage: root {command}" in text
    assert "Exit codes:" in text
    assert " 0: " in text
    assert " 2: wrong usage" in text
    assert "--json" in text
    assert (" --api-url " in text) == (command not in WITHOUT_A_STACK)


def test_the_page_on_the_command_line_names_every_command() -> None:
    text = (ROOT / "docs/cli.md").read_text()
    for name in commands():
        assert re.search(rf"`{name}[ `]", text), name


def asked(*arguments: str) -> StackSelector:
    """What the options come to, of a program with one command."""
    found: list[StackSelector] = []

    @on_a_stack
    def look(where: StackSelector, name: str = "") -> None:
        found.append(where)
        assert name == "x"

    program = typer.Typer()
    program.callback()(remember_where)
    program.command("look")(look)
    result = CliRunner().invoke(program, arguments)
    assert result.exit_code == 0, result.output
    return found[0]


def test_options_stand_before_the_command_or_behind_it() -> None:
    assert asked("look", "--name", "x") == StackSelector()
    given = ("--api-url", "http://a", "--profile", "p")
    assert asked(*given, "look", "--name", "x") == StackSelector(api_url="http://a", profile="p")
    assert asked("look", "--name", "x", *given) == StackSelector(api_url="http://a", profile="p")
    both = asked(*given, "look", "--api-url", "http://b", "--name", "x")
    assert both == StackSelector(api_url="http://b", profile="p")


def test_the_program_is_called_as_it_was(tmp_path: Path) -> None:
    """Installed it is ``zipjobs``."""
    installed = Path(sys.executable).parent / "zipjobs"
    if not installed.exists():
        pytest.skip("it is not installed here")
    done = subprocess.run(
        [installed, "list", "--nonsense"],
        cwd=tmp_path,
        env={**os.environ, "COLUMNS": "100"},
        capture_output=True,
        check=False,
        text=True,
    )
    assert done.returncode == 2
    assert "Usage: zipjobs list" in done.stderr
