"""Items by the hundred, from a table that answers for some of them only."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from zipjobs.errors import ServiceUnavailable
from zipjobs.jobs import batch_get
from zipjobs.jobs.batch_get import batch_get_items
from zipjobs.s3.retry import BATCH_GET_ATTEMPTS

NAMES = [f"job-{number}" for number in range(7)]
KEYS = [{"jobId": {"S": name}} for name in NAMES]


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Before which attempts there was a pause, which takes no time here."""
    before: list[int] = []

    def none_at_all(attempt: int) -> float:
        before.append(attempt)
        return 0.0

    monkeypatch.setattr(batch_get, "pause_seconds", none_at_all)
    return before


@pytest.fixture
def answers(dynamodb: Any) -> Iterator[Callable[[int], None]]:
    """Have each answer hold so many items at the most, and leave others out as DynamoDB does."""
    for key in KEYS:
        dynamodb.put_item(TableName="jobs", Item=key)
    most = len(KEYS)

    def cut_short(parsed: dict[str, Any], **_: Any) -> None:
        found = parsed["Responses"]["jobs"]
        parsed["Responses"]["jobs"], left = found[:most], found[most:]
        if left:
            parsed["UnprocessedKeys"] = {"jobs": {"Keys": left}}

    def at_the_most(count: int) -> None:
        nonlocal most
        most = count

    dynamodb.meta.events.register("after-call.dynamodb.BatchGetItem", cut_short)
    yield at_the_most
    dynamodb.meta.events.unregister("after-call.dynamodb.BatchGetItem", cut_short)


def names(dynamodb: Any) -> list[str]:
    return sorted(item["jobId"]["S"] for item in batch_get_items(dynamodb, "jobs", KEYS))


def test_what_an_answer_leaves_out_is_asked_for_again_after_a_pause(
    dynamodb: Any, answers: Callable[[int], None], pauses: list[int]
) -> None:
    answers(3)
    assert names(dynamodb) == NAMES
    assert pauses == [1, 2]


def test_a_whole_answer_takes_no_pause(
    dynamodb: Any, answers: Callable[[int], None], pauses: list[int]
) -> None:
    assert names(dynamodb) == NAMES
    assert pauses == []


def test_a_table_that_never_answers_for_all_is_an_error_in_the_end(
    dynamodb: Any, answers: Callable[[int], None], pauses: list[int]
) -> None:
    answers(0)
    with pytest.raises(ServiceUnavailable, match="No complete response"):
        names(dynamodb)
    assert pauses == list(range(1, BATCH_GET_ATTEMPTS))


def test_without_keys_nothing_is_asked(dynamodb: Any) -> None:
    assert list(batch_get_items(dynamodb, "no-such-table", [])) == []
