"""Batches of items, and responses with ``UnprocessedKeys``."""

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
    """The attempts before which there was a pause. The pauses take no time."""
    before: list[int] = []

    def no_pause(attempt: int) -> float:
        before.append(attempt)
        return 0.0

    monkeypatch.setattr(batch_get, "pause_seconds", no_pause)
    return before


@pytest.fixture
def limit_response(dynamodb: Any) -> Iterator[Callable[[int], None]]:
    """Return a function that limits the number of items in a response."""
    for key in KEYS:
        dynamodb.put_item(TableName="jobs", Item=key)
    most = len(KEYS)

    def limit_items(parsed: dict[str, Any], **_: Any) -> None:
        found = parsed["Responses"]["jobs"]
        parsed["Responses"]["jobs"], left = found[:most], found[most:]
        if left:
            parsed["UnprocessedKeys"] = {"jobs": {"Keys": left}}

    def set_limit(count: int) -> None:
        nonlocal most
        most = count

    dynamodb.meta.events.register("after-call.dynamodb.BatchGetItem", limit_items)
    yield set_limit
    dynamodb.meta.events.unregister("after-call.dynamodb.BatchGetItem", limit_items)


def names(dynamodb: Any) -> list[str]:
    return sorted(item["jobId"]["S"] for item in batch_get_items(dynamodb, "jobs", KEYS))


def test_unprocessed_keys_are_requested_again_after_a_pause(
    dynamodb: Any, limit_response: Callable[[int], None], pauses: list[int]
) -> None:
    limit_response(3)
    assert names(dynamodb) == NAMES
    assert pauses == [1, 2]


def test_a_complete_response_is_not_followed_by_a_pause(
    dynamodb: Any, limit_response: Callable[[int], None], pauses: list[int]
) -> None:
    assert names(dynamodb) == NAMES
    assert pauses == []


def test_after_too_many_incomplete_responses_there_is_an_error(
    dynamodb: Any, limit_response: Callable[[int], None], pauses: list[int]
) -> None:
    limit_response(0)
    with pytest.raises(ServiceUnavailable, match="No complete response"):
        names(dynamodb)
    assert pauses == list(range(1, BATCH_GET_ATTEMPTS))


def test_no_keys_mean_no_request(dynamodb: Any) -> None:
    assert list(batch_get_items(dynamodb, "no-such-table", [])) == []
