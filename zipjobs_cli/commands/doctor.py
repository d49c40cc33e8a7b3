"""``doctor``: what is right, what is wrong, and what to do about it."""

import json
from dataclasses import asdict

import typer
from rich.table import Table

from zipjobs_cli.checks.health import Finding, Health, examine
from zipjobs_cli.client.stack import StackSelector
from zipjobs_cli.commands.options import JsonLinesOption, on_a_stack
from zipjobs_cli.output.screen import line, out

IS_ILL = 1

_STYLES = {Health.OK: "green", Health.WARN: "yellow", Health.FAIL: "bold red"}


@on_a_stack
def doctor_command(where: StackSelector, as_json: JsonLinesOption = False) -> None:
    """Find the stack, and look at all that is needed to use it.

    Nothing is changed. What you may not look at, or need not have, is a warning.

    Exit codes:

    - 0: nothing is wrong; there may be warnings
    - 1: something is wrong; it is marked fail, with what to do about it
    - 2: wrong usage
    - 130: interrupted
    """
    findings: list[Finding] = []
    for finding in examine(where):
        findings.append(finding)
        if as_json:
            typer.echo(json.dumps(asdict(finding)))
    if not as_json:
        out().print(_table(findings))
    if any(finding.health is Health.FAIL for finding in findings):
        raise typer.Exit(IS_ILL)


def _table(findings: list[Finding]) -> Table:
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for finding in findings:
        text = line(finding.found)
        if finding.advice:
            text.append("\n→ ", "dim").append_text(line(finding.advice))
        table.add_row(line(finding.health, _STYLES[finding.health]), finding.what, text)
    return table
