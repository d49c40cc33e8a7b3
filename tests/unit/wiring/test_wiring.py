"""Every client that the service makes says how often it tries, and how long it waits."""

from collections.abc import Callable
from typing import Any
from unittest.mock import patch

import boto3
import pytest

from tests.support.environment import FUNCTIONS_ENVIRONMENT
from zipjobs.wiring import api as wiring
from zipjobs.wiring import lifecycle
from zipjobs.wiring import worker as working

FUNCTIONS = [
    wiring.enqueue_dependencies,
    wiring.status_dependencies,
    working.zipper_dependencies,
    lifecycle.finalizer,
    lifecycle.reconciler,
]


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.__name__)
def test_every_client_sets_its_retries_and_its_timeouts(
    monkeypatch: pytest.MonkeyPatch, function: Callable[[], Any]
) -> None:
    for name, value in FUNCTIONS_ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    made = []
    real = boto3.client

    def client(*args: Any, **kwargs: Any) -> Any:
        made.append(real(*args, **kwargs))
        return made[-1]

    lifecycle.finalizer.cache_clear()
    with patch.object(boto3, "client", client):
        function.__wrapped__()  # type: ignore[attr-defined]
    lifecycle.finalizer.cache_clear()
    assert made
    for one in made:
        config = one.meta.config
        assert config.retries == {"mode": "standard", "total_max_attempts": 4}
        assert config.connect_timeout == 3
        assert config.read_timeout in (10, 60)
