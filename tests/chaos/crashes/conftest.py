"""The endpoints of moto, and the crash matrix at the end of a run."""

from collections.abc import Iterator

import pytest

from tests.chaos.crashes.matrix import Endpoints, serving_endpoints
from tests.chaos.crashes.report import HEADER, MATRIX


@pytest.fixture(scope="module")
def endpoints() -> Iterator[Endpoints]:
    with serving_endpoints() as endpoints:
        yield endpoints


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print a line for each scenario: its calls, kills and final statuses."""
    lines = [
        value
        for outcome in ("passed", "failed")
        for report in terminalreporter.getreports(outcome)
        for name, value in report.user_properties
        if name == MATRIX
    ]
    if lines:
        terminalreporter.section(MATRIX)
        for line in [HEADER, *lines]:
            terminalreporter.write_line(line)
