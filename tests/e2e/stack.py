"""Stacks on the embedded AWS, in this process or in a separate one, and a client for them."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread
from typing import IO, Any

from moto.sqs.models import sqs_backends

from local.faults.injector import FaultInjector
from local.faults.plan import FaultPlan
from local.gateway.identities import LOCAL_USER
from local.iam.permissions import Permissions
from local.names import ACCOUNT_ID
from local.stack import LocalStack, running_stack
from tests.support.event_schema import event_problems
from tests.support.s3_clients import http_client
from tests.support.waiting import wait_for
from zipjobs.archive.options import BuildContext, EngineOptions
from zipjobs.archive.parts.blocks import BlockPool
from zipjobs.archive.whole_archive import build_archive
from zipjobs.s3.multipart_upload import ArchiveWriter
from zipjobs.s3.object_reader import ObjectReader
from zipjobs.s3.part_upload import PartSender
from zipjobs.s3.source import Entry, Source
from zipjobs.s3.target import Target
from zipjobs.wiring.worker import BLOCKS_BYTES
from zipjobs.zipformat.member_names import basename

ROOT = Path(__file__).resolve().parents[2]
AWS_CLI = Path(sys.executable).parent / "aws"
MAX_RECEIVE_COUNT = 2
SEGMENT_MIB = 32
STALLED_READ = FaultPlan.parse(
    """
    faults:
    - {service: s3, operation: GetObject, key: "*/never.pdf", caller: zipper, latency: 600}
    """
)
STOP_SECONDS = 60
FINAL = ("READY", "FAILED", "CANCELLED")


def curl(url: str, *arguments: str) -> tuple[int, dict[str, str], Any]:
    """Request a URL with curl. Return status, headers and body, which is parsed if it is JSON."""
    done = subprocess.run(["curl", "-sS", "-i", *arguments, url], capture_output=True, check=True)
    head, _, body = done.stdout.partition(b"\r\n\r\n")
    status_line, *lines = head.decode().split("\r\n")
    headers = {k.lower(): v for k, v in (line.split(": ", 1) for line in lines)}
    is_json = headers.get("content-type", "").endswith("json")
    return int(status_line.split()[1]), headers, json.loads(body) if is_json else body


@dataclass
class Client:
    """Uses a stack as its users do: with the AWS CLI, curl, and an SQS queue of events."""

    stack: LocalStack
    log: list[str]
    _events: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.outputs = self.stack.outputs
        self.s3 = self.stack.client("s3")
        self.sqs = self.stack.client("sqs")
        self.dynamodb = self.stack.client("dynamodb")

    def aws(self, *arguments: str) -> Any:
        """Run the AWS CLI. Return its output, which is parsed if it is JSON."""
        done = subprocess.run(
            [AWS_CLI, *arguments],
            env={
                "PATH": os.environ["PATH"],
                "AWS_ENDPOINT_URL": self.outputs["awsEndpointUrl"],
                "AWS_REGION": self.outputs["region"],
                "AWS_ACCESS_KEY_ID": "any",
                "AWS_SECRET_ACCESS_KEY": "thing",
            },
            capture_output=True,
            check=False,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout) if done.stdout.startswith(("{", "[")) else done.stdout

    def curl(self, path: str, *arguments: str) -> tuple[int, dict[str, str], Any]:
        """Call the API with curl, signed as the user ``local``. A whole URL is not signed.

        Return status, headers and body, which is parsed if it is JSON.
        """
        if path.startswith("http"):
            return curl(path, *arguments)
        return curl(self.outputs["apiUrl"] + path, *self.signing(), *arguments)

    def signing(self, access_key_id: str = LOCAL_USER, secret: str = LOCAL_USER) -> list[str]:
        """Return the options that make curl sign a request to the API."""
        scope = f"aws:amz:{self.outputs['region']}:execute-api"
        return ["--aws-sigv4", scope, "--user", f"{access_key_id}:{secret}"]

    def put_sources(self, contents: dict[str, bytes]) -> str:
        """Upload source objects under a new prefix. Return the prefix."""
        prefix = f"{uuid.uuid4()}/"
        for key, body in contents.items():
            self.s3.put_object(Bucket=self.outputs["sourceBucket"], Key=prefix + key, Body=body)
        return prefix

    def post(self, request: Any) -> str:
        """Submit a job to the API. Return its ID."""
        status, _, response = self.curl("/zip-jobs", "-d", json.dumps(request))
        assert status == 202, response
        job_id: str = response["jobId"]
        return job_id

    def upload_manifest(self, body: bytes, name: str | None = None) -> str:
        """Upload a manifest. Return its key."""
        key = f"{self.outputs['manifestPrefix']}{name or uuid.uuid4()}.json"
        self.s3.put_object(Bucket=self.outputs["manifestBucket"], Key=key, Body=body)
        return key

    def finished(self, job_id: str) -> dict[str, Any]:
        """Wait until a job has a final status. Return the response of the API.

        Polls the table, because each request to the API runs curl and a function.
        """
        record = {"TableName": self.outputs["tableName"], "Key": {"jobId": {"S": job_id}}}

        def look() -> bool | None:
            item = self.dynamodb.get_item(**record).get("Item", {})
            return item.get("status", {}).get("S") in FINAL or None

        wait_for(f"the final status of job {job_id}", look)
        status, _, job = self.curl(f"/zip-jobs/{job_id}")
        assert status == 200, job
        return dict(job)

    def wait_for_empty_queue(self) -> None:
        """Wait until the job queue has no messages, including those that a worker processes."""
        states = ("", "NotVisible", "Delayed")

        def look() -> bool | None:
            attributes = self.sqs.get_queue_attributes(
                QueueUrl=self.outputs["queueUrl"],
                AttributeNames=[f"ApproximateNumberOfMessages{state}" for state in states],
            )["Attributes"]
            return set(attributes.values()) == {"0"} or None

        wait_for("an empty queue", look)

    def end_visibility_timeouts(self) -> None:
        """End the visibility timeouts of all messages. Only for a stack in this process."""
        queue = sqs_backends[ACCOUNT_ID][self.outputs["region"]].get_queue(
            self.outputs["queueUrl"].rpartition("/")[2]
        )
        for message in list(queue._messages):
            message.change_visibility(0)

    def event(self, matches: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Wait for a completion event whose detail matches."""

        def look() -> dict[str, Any] | None:
            found = [event for event in self._events if matches(event["detail"])]
            if not found:
                self.poll_events(wait_seconds=1)
            return found[0] if found else None

        return wait_for("a completion event", look)

    def poll_events(self, wait_seconds: int = 0) -> list[dict[str, Any]]:
        """Receive new events and validate them. Return all events so far."""
        response = self.sqs.receive_message(
            QueueUrl=self.outputs["eventsQueueUrl"],
            MaxNumberOfMessages=10,
            WaitTimeSeconds=wait_seconds,
        )
        for message in response.get("Messages", []):
            event = json.loads(message["Body"])
            assert not (problems := list(event_problems(event))), (problems, event)
            self._events.append(event)
            self.sqs.delete_message(
                QueueUrl=self.outputs["eventsQueueUrl"], ReceiptHandle=message["ReceiptHandle"]
            )
        return self._events

    def event_of_manifest(self, key: str) -> dict[str, Any]:
        """Wait for the completion event of a manifest's job."""
        return self.event(lambda detail: (detail["manifest"] or {}).get("key") == key)

    def download(self, job: dict[str, Any], folder: Path) -> Path:
        """Download an archive with curl. The link determines the file name."""
        subprocess.run(
            ["curl", "-sS", "--fail", "-OJ", "--output-dir", folder, job["downloadUrl"]], check=True
        )
        (path,) = folder.iterdir()
        return path

    def digest(self, key: str) -> str:
        """Return the SHA-256 of an object in the target bucket."""
        body = self.s3.get_object(Bucket=self.outputs["targetBucket"], Key=key)["Body"]
        return hashlib.sha256(body.read()).hexdigest()

    def digest_of_archive_of(self, keys: list[str]) -> str:
        """Build an archive of source objects in this process. Return its SHA-256."""
        http = http_client(self.outputs["awsEndpointUrl"], 64, region=self.outputs["region"])
        bucket = self.outputs["sourceBucket"]
        entries = [Entry(basename(key), Source(bucket, key)) for key in keys]
        target = Target(self.outputs["targetBucket"], f"expected/{uuid.uuid4()}.zip")
        with ArchiveWriter(self.s3, PartSender(http)).upload(target) as upload:
            reader, blocks = ObjectReader(http), BlockPool(BLOCKS_BYTES)
            build_archive(entries, BuildContext(reader, upload, blocks, EngineOptions(probes=16)))
        http.close()
        return self.digest(target.key)

    def uploads(self) -> list[Any]:
        """Return the incomplete multipart uploads in the target bucket."""
        bucket = self.outputs["targetBucket"]
        found: list[Any] = self.s3.list_multipart_uploads(Bucket=bucket).get("Uploads", [])
        return found


@contextmanager
def deployed() -> Iterator[Client]:
    """Run the stack of the end-to-end tests in this process."""
    log: list[str] = []
    with running_stack(
        overrides={
            "zipperTimeoutSeconds": 60,
            "maxReceiveCount": MAX_RECEIVE_COUNT,
            "segmentMib": SEGMENT_MIB,
            "customerKey": "create",  # each request also needs permission to use the key
        },
        log=lambda function, line: log.append(line),
    ) as stack:
        yield Client(stack, log)


@contextmanager
def local_up(*settings: str, environment: dict[str, str] | None = None) -> Iterator[Client]:
    """Run a stack with these settings in a separate process."""
    command = [sys.executable, "-m", "local", "up", "--port", "0", "--json"]
    for setting in settings:
        command += ["--set", setting]
    log: list[str] = []

    def read_log(lines: IO[str]) -> None:
        log.extend(line.rstrip("\n") for line in lines)

    with background(
        command,
        env={**os.environ, **(environment or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        thread = Thread(target=read_log, args=(process.stderr,), daemon=True)
        thread.start()
        try:
            outputs = json.loads(process.stdout.readline())
            permissions = Permissions(ACCOUNT_ID, lambda function, line: None)
            yield Client(LocalStack(outputs, {}, FaultInjector(), permissions, {}), log)
        finally:
            stop_group(process)
            thread.join()


@contextmanager
def background(command: Sequence[str], **options: Any) -> Iterator["subprocess.Popen[str]"]:
    """Run a command in the background, in a process group that is stopped after the block."""
    options = {"cwd": ROOT, "text": True, **options}
    with subprocess.Popen(command, start_new_session=True, **options) as process:
        try:
            yield process
        finally:
            stop_group(process)


def stop_group(process: "subprocess.Popen[str]") -> None:
    """Interrupt a process group as Ctrl-C does. Kill it if it does not end in time."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGINT)
    try:
        process.wait(STOP_SECONDS)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
