"""Cancelled, repeated and reconciled jobs."""

import json
import uuid
from typing import Any

import pytest

from local.faults.injector import FaultInjector
from local.faults.plan import FaultPlan
from tests.e2e.stack import STALLED_READ, Client
from tests.support.waiting import wait_for


def delete(client: Client, job_id: str) -> tuple[int, Any]:
    status, _, response = client.curl(f"/zip-jobs/{job_id}", "-X", "DELETE")
    return status, response


def is_running(client: Client, job_id: str) -> bool | None:
    _, _, job = client.curl(f"/zip-jobs/{job_id}")
    return job["status"] == "RUNNING" or None


def messages_in_flight(client: Client) -> int:
    """Return the number of messages that a worker is processing."""
    name = "ApproximateNumberOfMessagesNotVisible"
    response = client.sqs.get_queue_attributes(
        QueueUrl=client.outputs["queueUrl"], AttributeNames=[name]
    )
    return int(response["Attributes"][name])


def test_cancelling_a_running_job_stops_its_worker(client: Client, faults: FaultInjector) -> None:
    """The worker waits for an object whose GET takes minutes."""
    client.end_visibility_timeouts()  # of other tests' duplicate messages
    client.wait_for_empty_queue()
    lines = len(client.log)
    prefix = client.put_sources({"never.pdf": b"never"})
    faults.install(STALLED_READ)
    job_id = client.post({"keys": [f"{prefix}never.pdf"]})
    wait_for("the job's start", lambda: is_running(client, job_id))
    status, job = delete(client, job_id)
    assert (status, job["status"]) == (200, "CANCELLED")
    event = client.event(lambda detail: detail["jobId"] == job_id)
    assert event["detail-type"] == "Zip Job Cancelled"
    wait_for("the worker's response", lambda: None if messages_in_flight(client) else True)
    assert not any("Task timed out" in line for line in client.log[lines:])
    assert client.uploads() == []
    status, again = delete(client, job_id)
    assert (status, again["status"]) == (200, "CANCELLED")


def test_finished_and_unknown_jobs_cannot_be_cancelled(client: Client) -> None:
    prefix = client.put_sources({"one.pdf": b"one"})
    job_id = client.post({"keys": [f"{prefix}one.pdf"]})
    client.finished(job_id)
    status, response = delete(client, job_id)
    assert (status, response["code"]) == (409, "JOB_FINISHED")
    status, response = delete(client, str(uuid.uuid4()))
    assert (status, response["code"]) == (404, "JOB_NOT_FOUND")


class TestIdempotencyKey:
    @pytest.fixture
    def keys(self, client: Client) -> list[str]:
        prefix = client.put_sources({"one.pdf": b"one", "two.pdf": b"two"})
        return [f"{prefix}one.pdf", f"{prefix}two.pdf"]

    def post(self, client: Client, key: str, body: str) -> tuple[int, Any]:
        header = f"Idempotency-Key: {key}"
        status, _, response = client.curl("/zip-jobs", "-H", header, "-d", body)
        return status, response

    def test_same_key_and_request_return_the_same_job(
        self, client: Client, keys: list[str]
    ) -> None:
        key = str(uuid.uuid4())
        status, first = self.post(client, key, json.dumps({"keys": keys}))
        assert status == 202
        client.finished(first["jobId"])
        again = self.post(client, key, json.dumps({"keys": keys}, indent=4))
        assert again == (202, {"jobId": first["jobId"], "status": "READY"})
        assert self.post(client, key + "x", json.dumps({"keys": keys}))[1] != first

    def test_same_key_with_another_request_is_refused(
        self, client: Client, keys: list[str]
    ) -> None:
        key = str(uuid.uuid4())
        assert self.post(client, key, json.dumps({"keys": keys}))[0] == 202
        status, response = self.post(client, key, json.dumps({"keys": keys[:1]}))
        assert (status, response["code"]) == (422, "IDEMPOTENCY_KEY_REUSED")


def test_reconciler_recovers_a_job_whose_message_was_lost(
    client: Client, faults: FaultInjector
) -> None:
    """A fault delays the message, and the test then deletes it."""
    prefix = client.put_sources({"one.pdf": b"one"})
    faults.install(FaultPlan.parse("faults: [{queue: jobs, delay: {seconds: 600}}]"))
    job_id = client.post({"keys": [f"{prefix}one.pdf"]})
    client.sqs.purge_queue(QueueUrl=client.outputs["queueUrl"])
    faults.clear()
    rewind(client, job_id)
    reconciler = next(f for name, f in client.stack.functions.items() if "reconciler" in name)
    assert reconciler.invoke({})["sent"] >= 1
    assert client.finished(job_id)["status"] == "READY"


def rewind(client: Client, job_id: str) -> None:
    """Make the job due for the reconciler now."""
    client.dynamodb.update_item(
        TableName=client.outputs["tableName"],
        Key={"jobId": {"S": job_id}},
        UpdateExpression="SET sweepAt = :past",
        ExpressionAttributeValues={":past": {"N": "1"}},
    )
