"""Prints the crash matrix at the end of a run."""

import pytest

from tests.chaos.crashes.report import MATRIX, Row, table


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print how many crashes each scenario had, and the final statuses."""
    reports = [
        report
        for outcome in ("passed", "failed")
        for report in terminalreporter.getreports(outcome)
    ]
    rows = [
        Row.from_json(value)
        for report in reports
        for name, value in report.user_properties
        if name == MATRIX
    ]
    if rows:
        terminalreporter.section(MATRIX)
        for line in table(rows):
            terminalreporter.write_line(line)
