"""The result of a job in S3, and the rules of ``docs/events.md``."""

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pulumi
import pytest

from local.deployment.mocks import EmbeddedProvider
from local.deployment.resources import Resources
from tests.docs.recipes import remove_rule, run_pulumi, run_shell
from tests.e2e.stack import Client
from tests.support.event_schema import event_problems
from tests.support.waiting import wait_for


class S3User:
    """A user with the AWS CLI and access to S3 only."""

    def __init__(self, client: Client, folder: Path) -> None:
        self._client = client
        self._folder = folder
        self._manifests = f"s3://{client.outputs['manifestBucket']}/manifests"
        self._target = f"s3://{client.outputs['targetBucket']}"

    def upload_manifest(self, name: str, text: str) -> None:
        path = self._folder / "manifest.json"
        path.write_text(text)
        self._client.aws("s3", "cp", str(path), f"{self._manifests}/{name}.json")

    def status_object(self, name: str, previous_job: str = "") -> Any:
        """Wait for the status object of a job other than ``previous_job``."""
        key = f"zips/{name}.status.json"
        bucket = self._client.outputs["targetBucket"]

        def look() -> bool | None:
            listed = self._client.s3.list_objects_v2(Bucket=bucket, Prefix=key)
            if "Contents" not in listed:
                return None
            body = self._client.s3.get_object(Bucket=bucket, Key=key)["Body"]
            return json.load(body)["jobId"] != previous_job or None

        wait_for(key, look)
        return json.loads(self._download(key).read_text())

    def archive(self, status_object: Any) -> zipfile.ZipFile:
        (archive,) = status_object["archives"]
        return zipfile.ZipFile(self._download(archive["key"]))

    def _download(self, key: str) -> Path:
        path = self._folder / "download"
        self._client.aws("s3", "cp", f"{self._target}/{key}", str(path))
        return path


@pytest.fixture
def s3_user(client: Client, tmp_path: Path) -> S3User:
    return S3User(client, tmp_path)


def test_status_object_leads_to_the_archive_with_s3_only(client: Client, s3_user: S3User) -> None:
    prefix = client.put_sources({"one.pdf": b"one"})
    s3_user.upload_manifest("results/ready", json.dumps({"keys": [f"{prefix}one.pdf"]}))
    result = s3_user.status_object("results/ready")
    assert (result["status"], result["error"]) == ("READY", None)
    assert result["manifest"]["key"] == "manifests/results/ready.json"
    with s3_user.archive(result) as archive:
        assert archive.read("one.pdf") == b"one"
    assert "X-Amz" not in json.dumps(result)


def test_status_object_shows_the_error_and_then_the_retry(client: Client, s3_user: S3User) -> None:
    prefix = client.put_sources({"one.pdf": b"one"})
    manifest = f'{{\n  "keys": [\n    "{prefix}one.pdf",\n    7\n  ]\n}}\n'
    s3_user.upload_manifest("results/retried", manifest)
    failed = s3_user.status_object("results/retried")
    assert (failed["status"], failed["error"]["code"]) == ("FAILED", "INVALID_MANIFEST")
    (problem,) = failed["error"]["problems"]
    assert (problem["pointer"], problem["line"]) == ("#/keys/1", 4)

    s3_user.upload_manifest("results/retried", manifest.replace(",\n    7", ""))
    result = s3_user.status_object("results/retried", previous_job=failed["jobId"])
    assert result["status"] == "READY"
    assert result["manifest"]["versionId"] != failed["manifest"]["versionId"]


def test_status_object_equals_the_event(client: Client, s3_user: S3User) -> None:
    s3_user.upload_manifest("results/gone", json.dumps({"keys": ["gone.pdf"]}))
    event = client.event_of_manifest("manifests/results/gone.json")
    assert s3_user.status_object("results/gone") == event["detail"]
    assert event["detail"]["error"]["objects"]


# Rules


class Embedded(EmbeddedProvider):
    """A provider that records the resources that it creates."""

    def __init__(self, client: Client) -> None:
        outputs = client.outputs
        super().__init__(Resources(outputs["awsEndpointUrl"], outputs["region"], outputs["apiUrl"]))
        self.created: dict[tuple[str, str], dict[str, Any]] = {}

    def new_resource(
        self, args: pulumi.runtime.MockResourceArgs
    ) -> tuple[str | None, dict[str, Any]]:
        resource_id, outputs = super().new_resource(args)
        self.created[args.typ.rpartition(":")[2], args.name] = outputs
        return resource_id, outputs


@pytest.fixture(scope="module", params=["pulumi", "shell"])
def queue_url(request: pytest.FixtureRequest, client: Client) -> Iterator[str]:
    """Create the recipe's queue with Pulumi, or with the shell. Yield its URL."""
    bus = client.outputs["eventBusName"]
    if request.param == "pulumi":
        provider = Embedded(client)
        run_pulumi("queue", {"eventBusName": bus}, provider)
        url: str = provider.created["Queue", "zip-jobs-ended"]["url"]
        rule: str = provider.created["EventRule", "zip-jobs-ended"]["name"]
    else:
        run_shell("queue", {"BUS": bus}, client.outputs["awsEndpointUrl"])
        url = client.sqs.get_queue_url(QueueName="zip-jobs-ended")["QueueUrl"]
        rule = "zip-jobs-ended"
    events = client.stack.client("events")
    (target,) = events.list_targets_by_rule(Rule=rule, EventBusName=bus)["Targets"]
    assert "undelivered" in target["DeadLetterConfig"]["Arn"]
    yield url
    remove_rule(events, rule, bus)


def test_queue_of_the_recipe_receives_events(client: Client, queue_url: str) -> None:
    prefix = client.put_sources({"one.pdf": b"one"})
    job = client.finished(client.post({"keys": [f"{prefix}one.pdf"]}))

    def look() -> Any:
        response = client.sqs.receive_message(QueueUrl=queue_url, MaxNumberOfMessages=10)
        events = [json.loads(message["Body"]) for message in response.get("Messages", [])]
        return next((one for one in events if one["detail"]["jobId"] == job["jobId"]), None)

    event = wait_for("the event", look)
    assert event["detail"]["archives"][0]["key"] == job["targetKey"]
    assert list(event_problems(event)) == []


def test_queue_accepts_only_messages_of_its_rule(client: Client, queue_url: str) -> None:
    attributes = client.sqs.get_queue_attributes(QueueUrl=queue_url, AttributeNames=["All"])
    (statement,) = json.loads(attributes["Attributes"]["Policy"])["Statement"]
    assert statement["Principal"] == {"Service": "events.amazonaws.com"}
    assert statement["Resource"] == attributes["Attributes"]["QueueArn"]
    assert ":rule/" in statement["Condition"]["ArnEquals"]["aws:SourceArn"]
