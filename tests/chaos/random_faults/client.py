"""A client of a stack that retries requests which AWS or the API refuses."""

import json
import time
import uuid
from typing import Any

import urllib3
from boto3.dynamodb.types import TypeDeserializer

from local.stack import LocalStack
from tests.support.signing import signed_headers
from tests.support.waiting import WAIT_SECONDS
from zipjobs.jobs.job import Job
from zipjobs.jobs.messages import manifest_job_id

PAUSE_SECONDS = 0.1
CONNECTIONS = 16

_plain = TypeDeserializer().deserialize


class RetryingClient:
    """Submits jobs by API and manifest, cancels them, and reads their results. Thread-safe."""

    def __init__(self, stack: LocalStack) -> None:
        self.outputs = stack.outputs
        self.s3 = stack.client("s3")
        self.sqs = stack.client("sqs")
        self.dynamodb = stack.client("dynamodb")
        self._http = urllib3.PoolManager(maxsize=CONNECTIONS, retries=False, timeout=60)

    def post(self, body: Any, key: str) -> str:
        """POST a job until it is accepted; return its ID."""
        status, response = self._request("POST", "/zip-jobs", body, {"Idempotency-Key": key})
        assert status == 202, response
        job_id: str = response["jobId"]
        return job_id

    def upload_manifest(self, body: Any) -> str:
        """Upload a manifest; return the ID of its job."""
        bucket = self.outputs["manifestBucket"]
        key = f"{self.outputs['manifestPrefix']}{uuid.uuid4()}.json"
        response = self.s3.put_object(Bucket=bucket, Key=key, Body=json.dumps(body).encode())
        return manifest_job_id(bucket, key, response["VersionId"], response["ETag"], "")

    def cancel(self, job_id: str) -> int:
        """DELETE a job until there is a response; return its HTTP status."""
        return self._request("DELETE", f"/zip-jobs/{job_id}")[0]

    def job(self, job_id: str) -> dict[str, Any]:
        """Return the job as the API shows it."""
        status, job = self._request("GET", f"/zip-jobs/{job_id}")
        assert status == 200, job
        found: dict[str, Any] = job
        return found

    def records(self) -> dict[str, Job]:
        """Return the records of all jobs, without the items of their segments."""
        pages = self.dynamodb.get_paginator("scan").paginate(
            TableName=self.outputs["tableName"], ConsistentRead=True
        )
        items = [_plain({"M": item}) for page in pages for item in page["Items"]]
        jobs = [Job.model_validate(item) for item in items if "status" in item]
        return {job.job_id: job for job in jobs}

    def drain_events(self) -> list[dict[str, Any]]:
        """Receive and delete all completion events."""
        queue_url, events = self.outputs["eventsQueueUrl"], []
        while messages := self.sqs.receive_message(QueueUrl=queue_url, MaxNumberOfMessages=10).get(
            "Messages"
        ):
            for message in messages:
                events.append(json.loads(message["Body"]))
                self.sqs.delete_message(QueueUrl=queue_url, ReceiptHandle=message["ReceiptHandle"])
        return events

    def keys(self, bucket: str, prefix: str = "") -> list[str]:
        """Return the keys in a bucket."""
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        return [item["Key"] for page in pages for item in page.get("Contents", [])]

    def body(self, bucket: str, key: str) -> bytes:
        """Return the body of an object."""
        data: bytes = self.s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        return data

    def _request(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> tuple[int, Any]:
        """Send a request, and retry it while the response is 503."""
        deadline = time.monotonic() + WAIT_SECONDS
        data = None if body is None else json.dumps(body).encode()
        url = self.outputs["apiUrl"] + path
        while True:
            signed = signed_headers(method, url, data, self.outputs["region"], headers)
            response = self._http.request(method, url, body=data, headers=signed)
            if response.status != 503:
                return response.status, response.json()
            assert time.monotonic() < deadline, f"{method} {path}: {response.data!r}"
            time.sleep(PAUSE_SECONDS)
