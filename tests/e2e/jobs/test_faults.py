"""Jobs while AWS fails according to a fault plan."""

import io
import random
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from local.faults.injector import FaultInjector
from local.faults.plan import FaultPlan
from tests.e2e.stack import Client
from tests.support.waiting import wait_for

MIB = 1024 * 1024
CONTENTS = {
    "report.pdf": b"report",
    "empty.pdf": b"",
    "large.pdf": random.Random(3).randbytes(11 * MIB),
}


def start(client: Client) -> str:
    """Submit a job that needs several parts and several reads."""
    prefix = client.put_sources(CONTENTS)
    return client.post({"keys": [prefix + key for key in CONTENTS]})


@pytest.fixture(scope="module", autouse=True)
def one_zipper(client: Client) -> Iterator[None]:
    """Kill all zipper processes but one. Duplicate messages start many."""
    yield
    processes = list(client.stack.faults.processes.values())
    zippers = [process for process in processes if process.name == "zipper" and process.is_alive]
    for process in zippers[1:]:
        process.kill()


def assert_complete(client: Client, job: dict[str, Any]) -> None:
    assert job["status"] == "READY", job
    body = client.s3.get_object(Bucket=job["targetBucket"], Key=job["targetKey"])["Body"].read()
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        assert archive.testzip() is None
        assert {name: archive.read(name) for name in archive.namelist()} == CONTENTS


@pytest.mark.parametrize(
    "rule",
    [
        "operation: GetObject, key: '*/l*.pdf', nth: [1, 2], error: {code: SlowDown, status: 503}",
        "operation: GetObject, key: '*/l*.pdf', nth: 1, reset: true",
        "operation: GetObject, key: '*/l*.pdf', nth: 1, cut: 100000",
        "operation: GetObject, key: '*/l*.pdf', nth: 1, stall: {after: 100000, seconds: 0.5}",
        "operation: CompleteMultipartUpload, nth: 1, when: after, reset: true",
        "service: dynamodb, caller: zipper, nth: [1, 3], when: after, reset: true",
    ],
)
def test_job_succeeds_despite_failing_requests(
    client: Client, faults: FaultInjector, rule: str
) -> None:
    client.wait_for_empty_queue()
    plan = FaultPlan.parse(f"faults: [{{{rule}}}]")
    faults.install(plan)
    assert_complete(client, client.finished(start(client)))
    wanted = getattr(plan.faults[0], "nth", ())
    assert [injected.rule for injected in faults.injected] == [0] * len(wanted)


@pytest.mark.parametrize(
    ("rule", "how"),
    [
        ("nth: 1, kill: true", "signal 9"),
        ("operation: UploadPart, nth: 2, when: after, kill: true", "signal 9"),
        (
            "operation: PutEvents, nth: 1, when: after, timeout: true",
            "Task timed out after 60",
        ),
    ],
)
def test_job_succeeds_after_its_worker_dies(
    client: Client, faults: FaultInjector, rule: str, how: str
) -> None:
    client.wait_for_empty_queue()
    lines = len(client.log)
    faults.install(FaultPlan.parse(f"faults: [{{caller: zipper, {rule}}}]"))
    job_id = start(client)
    wait_for("the fault", lambda: True if faults.injected else None)
    end_lease(client, job_id)
    wait_for(
        f"{how} in the log",
        lambda: True if any(how in line for line in client.log[lines:]) else None,
    )
    client.end_visibility_timeouts()
    event = client.event(lambda detail: detail["jobId"] == job_id)
    assert event["detail-type"] == "Zip Job Ready"
    assert_complete(client, client.finished(job_id))
    client.wait_for_empty_queue()
    assert client.uploads() == []


def end_lease(client: Client, job_id: str) -> None:
    """End the lease of a dead worker, if it has one, before its timeout."""
    dynamodb = client.dynamodb
    with suppress(dynamodb.exceptions.ConditionalCheckFailedException):
        dynamodb.update_item(
            TableName=client.outputs["tableName"],
            Key={"jobId": {"S": job_id}},
            UpdateExpression="SET leaseUntil = :now",
            ConditionExpression="attribute_exists(leaseUntil)",
            ExpressionAttributeValues={":now": {"N": "0"}},
        )


def test_duplicate_and_late_messages_make_one_archive(
    client: Client, faults: FaultInjector
) -> None:
    client.wait_for_empty_queue()
    faults.install(
        FaultPlan.parse(
            "faults: [{queue: jobs, duplicate: 1, delay: {probability: 0.5, seconds: 0.5},"
            " reorder: true}]"
        )
    )
    jobs = [start(client) for _ in range(4)]
    for job_id in jobs:
        assert_complete(client, client.finished(job_id))
        started = [line for line in client.log if f"Job {job_id}: started" in line]
        assert len(started) == 1, started
    assert {"duplicate", "delay", "reorder"} == {injected.effect for injected in faults.injected}
