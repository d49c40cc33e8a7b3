"""A client of a stack that retries requests which AWS or the API refuses."""

import json
import time
import uuid
from typing import Any

import urllib3

from local.stack import LocalStack
from tests.support.signing import signed_headers
from tests.support.waiting import PATIENCE_SECONDS
from zipjobs.jobs.messages import manifest_job_id

PAUSE_SECONDS = 0.1
CONNECTIONS = 16


class RetryingClient:
    """Submits jobs both ways, cancels them, and looks at what has become of them. Thread-safe."""

    def __init__(self, stack: LocalStack) -> None:
        self.outputs = stack.outputs
        self.s3 = stack.client("s3")
        self.sqs = stack.client("sqs")
        self.dynamodb = stack.client("dynamodb")
        self._http = urllib3.PoolManager(maxsize=CONNECTIONS, retries=False, timeout=60)

    def post(self, body: Any, key: str) -> str:
        """POST a job until it is accepted; returns its id. With an idempotency key it is one."""
        status, answer = self._ask("POST", "/zip-jobs", body, {"Idempotency-Key": key})
        assert status == 202, answer
        job_id: str = answer["jobId"]
        return job_id

    def drop(self, body: Any, name: str | None = None) -> str:
        """Drop a manifest; returns its job's id."""
        bucket = self.outputs["manifestBucket"]
        key = f"{self.outputs['manifestPrefix']}{name or uuid.uuid4()}.json"
        answer = self.s3.put_object(Bucket=bucket, Key=key, Body=json.dumps(body).encode())
        return manifest_job_id(bucket, key, answer["VersionId"], answer["ETag"], "")

    def cancel(self, job_id: str) -> int:
        """DELETE a job until there is an answer; returns its status: 200, 404 or 409."""
        return self._ask("DELETE", f"/zip-jobs/{job_id}")[0]

    def job(self, job_id: str) -> dict[str, Any]:
        """The job as the API shows it."""
        status, job = self._ask("GET", f"/zip-jobs/{job_id}")
        assert status == 200, job
        found: dict[str, Any] = job
        return found

    def statuses(self) -> dict[str, str]:
        """Of all jobs, by id, as the table has them."""
        return {job_id: record["status"]["S"] for job_id, record in self.records().items()}

    def records(self) -> dict[str, Any]:
        """The items of all jobs, without those that count their segments' progress."""
        pages = self.dynamodb.get_paginator("scan").paginate(
            TableName=self.outputs["tableName"], ConsistentRead=True
        )
        items = [item for page in pages for item in page["Items"] if "status" in item]
        return {item["jobId"]["S"]: item for item in items}

    def drain_events(self) -> list[dict[str, Any]]:
        """Take all completion events off their queue."""
        queue, found = self.outputs["eventsQueueUrl"], []
        while messages := self.sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get(
            "Messages"
        ):
            for message in messages:
                found.append(json.loads(message["Body"]))
                self.sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
        return found

    def keys(self, bucket: str, prefix: str = "") -> list[str]:
        """The keys in a bucket."""
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        return [found["Key"] for page in pages for found in page.get("Contents", [])]

    def body(self, bucket: str, key: str) -> bytes:
        """An object's bytes."""
        data: bytes = self.s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        return data

    def _ask(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> tuple[int, Any]:
        """Ask until the answer is one: 503 says that there may be another in a moment."""
        give_up = time.monotonic() + PATIENCE_SECONDS
        data = None if body is None else json.dumps(body).encode()
        url = self.outputs["apiUrl"] + path
        while True:
            signed = signed_headers(method, url, data, self.outputs["region"], headers)
            answer = self._http.request(method, url, body=data, headers=signed)
            if answer.status != 503:
                return answer.status, answer.json()
            assert time.monotonic() < give_up, f"{method} {path}: {answer.data!r}"
            time.sleep(PAUSE_SECONDS)
