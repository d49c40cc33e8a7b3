"""Jobs of the deployed program while AWS fails by a plan."""

import io
import json
import random
import signal
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml

from local.faults.injector import FaultInjector
from local.faults.plan import FaultPlan
from tests.e2e.stack import Client
from tests.support.waiting import PATIENCE_SECONDS, wait_for

ROOT = Path(__file__).resolve().parents[3]
MIB = 1024 * 1024
CONTENTS = {
    "report.pdf": b"report",
    "empty.pdf": b"",
    "large.pdf": random.Random(3).randbytes(11 * MIB),
}


def start(client: Client) -> str:
    """A job with whatever may break in it: several parts, and several reads."""
    prefix = client.put_sources(CONTENTS)
    return client.post({"keys": [prefix + key for key in CONTENTS]})


def settle(client: Client) -> None:
    """Wait until nobody works on a job any more, or will."""
    names = ("", "NotVisible", "Delayed")
    attributes = [f"ApproximateNumberOfMessages{name}" for name in names]

    def look() -> bool | None:
        answer = client.sqs.get_queue_attributes(
            QueueUrl=client.outputs["queueUrl"], AttributeNames=attributes
        )
        return True if set(answer["Attributes"].values()) == {"0"} else None

    wait_for("an empty queue", look)


@pytest.fixture(scope="module", autouse=True)
def one_zipper(client: Client) -> Iterator[None]:
    """Leave no more than one zipper running: those that delivered twice at once were many."""
    yield
    processes = list(client.stack.faults.processes.values())
    zippers = [process for process in processes if process.name == "zipper" and process.is_alive]
    for process in zippers[1:]:
        process.kill()


def assert_whole(client: Client, job: dict[str, Any]) -> None:
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
    settle(client)
    plan = FaultPlan.parse(f"faults: [{{{rule}}}]")
    faults.install(plan)
    assert_whole(client, client.finished(start(client)))
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
    settle(client)
    lines = len(client.log)
    faults.install(FaultPlan.parse(f"faults: [{{caller: zipper, {rule}}}]"))
    job_id = start(client)
    wait_for("the end of the zipper", lambda: True if faults.injected else None)
    end_lease(client, job_id)
    wait_for(
        "what the log says of it",
        lambda: True if any(how in line for line in client.log[lines:]) else None,
    )
    client.end_visibility_timeouts()
    event = client.event(lambda detail: detail["jobId"] == job_id)
    assert event["detail-type"] == "Zip Job Ready"
    assert_whole(client, client.finished(job_id))
    settle(client)
    assert client.uploads() == []


def end_lease(client: Client, job_id: str) -> None:
    """Let a dead worker's lease, if it had one, end now, and not when it would have timed out."""
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
    settle(client)
    faults.install(
        FaultPlan.parse(
            "faults: [{queue: jobs, duplicate: 1, delay: {probability: 0.5, seconds: 0.5},"
            " reorder: true}]"
        )
    )
    jobs = [start(client) for _ in range(4)]
    for job_id in jobs:
        assert_whole(client, client.finished(job_id))
        started = [line for line in client.log if f"Job {job_id}: started" in line]
        assert len(started) == 1, started
    assert {"duplicate", "delay", "reorder"} == {injected.effect for injected in faults.injected}


# The command line


def test_invalid_fault_plan_is_reported(tmp_path: Path) -> None:
    plan = tmp_path / "bad.yaml"
    plan.write_text("faults: [{service: s3, operaton: GetObject, reset: true}]")
    done = subprocess.run(
        [sys.executable, "-m", "local", "up", "--port", "0", "--faults", plan],
        cwd=ROOT,
        capture_output=True,
        check=False,
        text=True,
    )
    assert done.returncode == 1
    assert f"{plan}: faults[0].operaton is unknown. The fields are service" in done.stderr
    assert "Traceback" not in done.stderr


def test_random_fault_plan_is_printed_for_reuse() -> None:
    command = [sys.executable, "-m", "local", "up", "--port", "0", "--json"]
    with subprocess.Popen(
        [*command, "--faults", "random", "--seed", "7"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert "awsEndpointUrl" in json.loads(process.stdout.readline())
        process.send_signal(signal.SIGTERM)
        printed = process.stderr.read()
        assert process.wait(PATIENCE_SECONDS) == 0
    plan, _, _ = printed.partition("\n\n")
    assert FaultPlan.model_validate(yaml.safe_load(plan)) == FaultPlan.random(7)
