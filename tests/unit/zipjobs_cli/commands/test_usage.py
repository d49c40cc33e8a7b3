"""Help and usage errors of all commands, and the options that they share."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from tests.unit.zipjobs_cli.conftest import ROOT, run
from zipjobs_cli.__main__ import app
from zipjobs_cli.client.stack import StackSelector
from zipjobs_cli.commands.options import global_options, with_stack_options

WITHOUT_A_STACK = {"verify", "generate-pdfs"}


def commands() -> list[str]:
    group: Any = typer.main.get_command(app)
    return sorted(group.commands)


def help_of(*arguments: str) -> str:
    result = CliRunner().invoke(app, [*arguments, "--help"], env={"COLUMNS": "100", "TERM": "dumb"})
    assert result.exit_code == 0, result.output
    return result.output


def test_the_help_lists_all_commands() -> None:
    text = help_of()
    for name in commands():
        assert f" {name} " in text


@pytest.mark.parametrize("command", commands())
def test_each_command_documents_its_exit_codes(command: str) -> None:
    text = help_of(command)
    assert f"Usage: root {command}" in text
    assert "Exit codes:" in text
    assert " 0: " in text
    assert " 2: wrong usage" in text
    assert "--json" in text
    assert (" --api-url " in text) == (command not in WITHOUT_A_STACK)


def test_the_documentation_describes_all_commands() -> None:
    text = (ROOT / "docs/cli.md").read_text()
    for name in commands():
        assert re.search(rf"`{name}[ `]", text), name


def parse(*arguments: str) -> StackSelector:
    """Return the stack options of a program with one command."""
    selectors: list[StackSelector] = []

    @with_stack_options
    def look(selector: StackSelector, name: str = "") -> None:
        selectors.append(selector)
        assert name == "x"

    program = typer.Typer()
    program.callback()(global_options)
    program.command("look")(look)
    result = CliRunner().invoke(program, arguments)
    assert result.exit_code == 0, result.output
    return selectors[0]


def test_stack_options_may_precede_or_follow_the_command() -> None:
    assert parse("look", "--name", "x") == StackSelector()
    given = ("--api-url", "http://a", "--profile", "p")
    assert parse(*given, "look", "--name", "x") == StackSelector(api_url="http://a", profile="p")
    assert parse("look", "--name", "x", *given) == StackSelector(api_url="http://a", profile="p")
    both = parse(*given, "look", "--api-url", "http://b", "--name", "x")
    assert both == StackSelector(api_url="http://b", profile="p")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "Usage: python -m zipjobs_cli"),
        (["nope"], "Usage: python -m zipjobs_cli"),
        (["verify", "a", "b", "c"], "Usage: python -m zipjobs_cli"),
        (["status", "x"], "'x' is not a job ID"),
        (["watch", "x"], "'x' is not a job ID"),
        (["list", "--api-url", "nonsense"], "--api-url is 'nonsense'"),
        (["list", "--profile", "nope"], "profile (nope) could not be found"),
        (["submit"], "exactly one of"),
        (["submit", "a", "--prefix", "b"], "exactly one of"),
        (["submit", "--from", "/nope"], "/nope cannot be read"),
        (["submit", "a", "--compression", "zstd"], "'zstd' is not one of"),
        (["submit", "a", "--manifest", "x", "--idempotency-key", "k"], "with --manifest"),
        (["submit", "a", "--include", "", "--manifest", "x"], "The request is invalid."),
        (["redrive"], "deadLetterQueueUrl"),
        (["docs", "--port", "99999"], "65535"),
        (["bulk-upload"], "--generate"),
        (["test-flow", "--whole-bucket", "--prefix", "x"], "with --prefix or --count"),
    ],
)
def test_usage_errors_have_exit_code_2(
    bare: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    monkeypatch.setenv("ZIPJOBS_API_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    assert run(*arguments) == 2
    out, err = capsys.readouterr()
    assert message in re.sub(r"[│\s]+", " ", err if arguments else out + err)
    assert out == "" or not arguments
    assert "Traceback" not in err


def test_the_installed_program_is_called_zipjobs(tmp_path: Path) -> None:
    installed = Path(sys.executable).parent / "zipjobs"
    if not installed.exists():
        pytest.skip("zipjobs is not installed")
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
