"""Jobs and callers while ``pulumi up`` changes the stack."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from local.deployment.engine import stack_config
from local.faults.plan import FaultPlan
from tests.deployment.stack import Deployment, deployment, packaged_project
from tests.deployment.test_settings import CHANGES
from tests.e2e.stack import Client

BASE = stack_config("dev", {})
OTHERS = (
    *("resourcePrefix", "sourceBucket", "targetBucket", "targetPrefix", "manifestBucket"),
    *("manifestPrefix", "bucketOwners", "apiAuth", "apiJwtIssuer", "apiJwtAudience"),
    *("completionEventsQueue", "customerKey", "protectData", "forceDestroy"),
)
"""Settings that callers or this test would notice, or that concern existing buckets."""

CHANGED = {
    **BASE,
    **{name: value for name, value in CHANGES.items() if name not in OTHERS},
}
SLOW_READS = FaultPlan.parse(
    "faults: [{service: s3, operation: GetObject, key: '*/slow.pdf', caller: zipper, latency: 8}]"
)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    folder = tmp_path_factory.mktemp("jobs")
    project = packaged_project(folder / "project")
    with deployment(project, folder / "state", BASE) as running:
        running.up()
        running.aws.services.warm_up()
        running.aws.faults.install(SLOW_READS)
        yield running


@contextmanager
def calling(client: Client) -> Iterator[list[object]]:
    """List the jobs all the time while the block runs. Yield the responses that are errors."""
    errors: list[object] = []
    stopping = threading.Event()

    def call() -> None:
        while not stopping.is_set():
            status, _, body = client.curl("/zip-jobs")
            if status != 200:
                errors.append((status, body))

    caller = threading.Thread(target=call)
    caller.start()
    try:
        yield errors
    finally:
        stopping.set()
        caller.join()


@pytest.mark.parametrize(
    "config",
    [CHANGED, {**CHANGED, "customerKey": "create"}],
    ids=["many settings", "a new key"],
)
def test_jobs_and_callers_notice_nothing(config: dict[str, object], running: Deployment) -> None:
    client = running.client()
    prefix = client.put_sources({"slow.pdf": b"slow" * 1000, "fast.pdf": b"fast" * 1000})
    before = client.post({"prefix": prefix})
    with calling(client) as errors:
        running.engine.write_config(config)
        running.up()
        during = client.post({"keys": [f"{prefix}fast.pdf"]})
    assert errors == []
    for job in (before, during, client.post({"prefix": prefix})):
        assert client.finished(job)["status"] == "READY"


def test_a_stack_without_its_key_works_for_new_objects(running: Deployment) -> None:
    """The key is scheduled for deletion, so what it encrypts cannot be read."""
    client = running.client()
    table = {"TableName": client.outputs["tableName"]}
    assert "SSEDescription" in client.dynamodb.describe_table(**table)["Table"]
    running.engine.write_config(BASE)
    running.up()
    assert "SSEDescription" not in client.dynamodb.describe_table(**table)["Table"]
    running.engine.run("up", "--yes", "--expect-no-changes")
    prefix = client.put_sources({"new.pdf": b"new" * 1000})
    assert client.finished(client.post({"prefix": prefix}))["status"] == "READY"
