"""Log lines and metrics of the functions."""

import json
from typing import Any

from tests.e2e.stack import Client
from tests.support.waiting import wait_for

LAMBDA_PREFIXES = ("START ", "END ", "REPORT ")


def logged(client: Client, start: int) -> list[dict[str, Any]]:
    """Return the functions' own log lines from line ``start`` on."""
    lines = client.log[start:]
    return [json.loads(line) for line in lines if line and not line.startswith(LAMBDA_PREFIXES)]


def test_every_line_about_a_job_is_json_and_has_its_id(client: Client) -> None:
    start = len(client.log)
    prefix = client.put_sources({"one.pdf": b"one", "two.pdf": b"two"})
    job_id = client.post({"keys": [f"{prefix}one.pdf", f"{prefix}two.pdf"]})
    client.finished(job_id)
    lines = logged(client, start)
    about = [line for line in lines if job_id in line.get("message", "")]
    assert {line["job_id"] for line in about} == {job_id}
    assert {"zipjobs.api.submit", "zipjobs.worker.job_runner"} <= {line["name"] for line in about}
    assert all(line["function_request_id"] for line in about)


def test_final_status_is_logged_as_metrics(client: Client) -> None:
    start = len(client.log)
    prefix = client.put_sources({"one.pdf": b"one"})
    job_id = client.post({"keys": [f"{prefix}one.pdf"]})

    def metrics() -> list[dict[str, Any]] | None:
        lines = logged(client, start)
        return [line for line in lines if "_aws" in line and line.get("job_id") == job_id] or None

    (line,) = wait_for("the metrics of the job", metrics)
    assert (line["JobsReady"], line["Entries"]) == ([1.0], [1.0])
    assert line["service"] == "s3-zip-jobs-dev"


def test_events_requests_and_links_are_not_logged(client: Client) -> None:
    start = len(client.log)
    name = "a-name-that-is-only-in-the-request"
    prefix = client.put_sources({"one.pdf": b"one"})
    entry = {"key": f"{prefix}one.pdf", "name": f"{name}.pdf"}
    job_id = client.post({"entries": [entry]})
    assert client.finished(job_id)["downloadUrl"]
    client.curl("/zip-jobs", "-d", json.dumps({"keys": [], name: name}))
    key = client.upload_manifest(json.dumps({"entries": [entry]}).encode())
    client.event_of_manifest(key)
    text = "\n".join(client.log[start:])
    assert job_id in text
    for secret in (name, "X-Amz-Signature", "X-Amz-Security-Token", '"Records"', "aws:sqs"):
        assert secret not in text


def test_alarms_and_dashboard_exist(client: Client) -> None:
    def cloudwatch(*arguments: str) -> Any:
        return client.aws("cloudwatch", *arguments, "--region", client.outputs["region"])

    alarms = cloudwatch("describe-alarms", "--alarm-name-prefix", "s3-zip-jobs-dev-")
    assert len(alarms["MetricAlarms"]) == 7
    board = cloudwatch("get-dashboard", "--dashboard-name", client.outputs["dashboardName"])
    titles = [one["properties"]["title"] for one in json.loads(board["DashboardBody"])["widgets"]]
    assert "Jobs by final status" in titles
