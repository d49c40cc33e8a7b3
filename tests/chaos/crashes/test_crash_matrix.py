"""Workers are killed after any of their calls to AWS, before they receive the response.

Each worker is a process that runs a real handler with its real wiring. SIGKILL stops it when a
request has taken effect but its response has not been sent. Then its message is redelivered.
"""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from tests.chaos.crashes.matrix import CONCURRENT_SCENARIOS, Endpoints, crash_after_every_call
from tests.chaos.crashes.report import MATRIX, Row
from tests.chaos.crashes.scenarios import SCENARIOS, Scenario


@pytest.fixture(scope="module")
def rows(
    endpoints: Endpoints, request: pytest.FixtureRequest
) -> Iterator[Mapping[str, Future[Row]]]:
    """Run several scenarios at a time; yield the rows of the matrix by scenario."""
    test = test_job_recovers_from_a_crash_after_any_call.__name__
    selected = {item.name for item in request.session.items}
    scenarios = [scenario for scenario in SCENARIOS if f"{test}[{scenario.name}]" in selected]
    with ThreadPoolExecutor(CONCURRENT_SCENARIOS) as pool:
        yield {
            scenario.name: pool.submit(crash_after_every_call, scenario, endpoints)
            for scenario in scenarios
        }
        pool.shutdown(cancel_futures=True)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=[scenario.name for scenario in SCENARIOS])
def test_job_recovers_from_a_crash_after_any_call(
    scenario: Scenario,
    rows: Mapping[str, Future[Row]],
    record_property: Callable[[str, Any], None],
) -> None:
    row = rows[scenario.name].result()
    record_property(MATRIX, str(row))
    assert not row.errors, "\n\n".join(row.errors)
    assert set(row.final_statuses) == scenario.final_statuses
