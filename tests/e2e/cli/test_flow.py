"""``test-flow`` as a person types it, against the embedded AWS."""

import signal
import zipfile
from pathlib import Path

import pytest

from local.faults.injector import FaultInjector
from local.faults.plan import FaultPlan
from tests.e2e.cli.command import Typed, begun, typed
from tests.e2e.stack import Client
from tests.support.waiting import PATIENCE_SECONDS, wait_for


def flow(client: Client, folder: Path, *arguments: object) -> Typed:
    return typed(client, "test-flow", "--out", folder, *arguments)


def test_both_ways_lead_to_archives_of_all_that_is_below_the_prefix(
    client: Client, tmp_path: Path
) -> None:
    prefix = client.put_sources({"a.pdf": b"one", "b/c.pdf": b"three", "folder/": b""})
    for _ in range(2):  # what it leaves is in nobody's way
        done = flow(client, tmp_path / "out", "--prefix", prefix)
        assert done.code == 0, done.err
    bucket = client.outputs["sourceBucket"]
    assert done.err == f"Zipping 2 objects, 8 bytes, below s3://{bucket}/{prefix}\n"
    rows = [row.split() for row in done.out.splitlines() if " READY " in row]
    assert [row[1:5] for row in rows] == [
        ["api", "READY", "2", "8"],
        ["manifest", "READY", "2", "8"],
    ]
    for row in rows:
        with zipfile.ZipFile(row[-1]) as archive:
            assert {name: archive.read(name) for name in archive.namelist()} == {
                "a.pdf": b"one",
                "c.pdf": b"three",
            }
    assert "match their receipts" in done.out


def test_samples_are_uploaded_first_if_so_many_are_asked_for(
    client: Client, tmp_path: Path
) -> None:
    prefix = f"{tmp_path.name}/samples"
    arguments = ("--count", 2, "--prefix", prefix, "--trigger", "manifest", "--json")
    done = flow(client, tmp_path / "out", *arguments)
    assert (done.code, done.err) == (0, "")
    told = done.json
    (job,) = told.pop("jobs")
    listed = client.s3.list_objects_v2(Bucket=client.outputs["sourceBucket"], Prefix=prefix)
    size = sum(found["Size"] for found in listed["Contents"])
    assert told == {
        "isGood": True,
        "bucket": client.outputs["sourceBucket"],
        "prefix": f"{prefix}/",
        "objects": 2,
        "bytes": size,
    }
    (file,) = job["files"]
    assert (job["trigger"], job["status"], job["problem"]) == ("manifest", "READY", None)
    assert (job["entries"], job["bytes"]) == (2, size)
    assert zipfile.ZipFile(file).namelist() == ["document-0001.pdf", "document-0002.pdf"]
    assert Path(file).with_suffix(".receipt.json").exists()


def test_the_whole_bucket_can_be_zipped(client: Client, tmp_path: Path) -> None:
    bucket = client.outputs["sourceBucket"]
    for page in client.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
        for found in page.get("Contents", ()):  # what other tests have left
            client.s3.delete_object(Bucket=bucket, Key=found["Key"])
    for _ in range(2):
        client.put_sources({"a.pdf": b"one"})
    done = flow(client, tmp_path, "--whole-bucket", "--trigger", "api", "--json")
    assert done.code == 0, done.out
    assert (done.json["prefix"], done.json["objects"], done.json["bytes"]) == ("", 2, 6)
    (file,) = done.json["jobs"][0]["files"]
    assert zipfile.ZipFile(file).namelist() == ["a.pdf", "a (2).pdf"]


def test_a_job_that_fails_is_told_with_its_reason(
    client: Client, faults: FaultInjector, tmp_path: Path
) -> None:
    prefix = client.put_sources({"a.pdf": b"one"})
    plan = "faults: [{caller: zipper, operation: GetObject, key: '*/a.pdf', "
    faults.install(FaultPlan.parse(plan + "error: {code: AccessDenied, status: 403}}]"))
    done = flow(client, tmp_path, "--prefix", prefix, "--trigger", "api")
    assert done.code == 1
    assert "FAILED" in done.out
    assert "SOURCE_FORBIDDEN: " in done.out
    assert list(tmp_path.iterdir()) == []


def test_a_job_that_takes_too_long_is_told(
    client: Client, faults: FaultInjector, tmp_path: Path
) -> None:
    prefix = client.put_sources({"a.pdf": b"one"})
    plan = "faults: [{caller: zipper, operation: GetObject, key: '*/a.pdf', latency: 30}]"
    faults.install(FaultPlan.parse(plan))
    arguments = ("--prefix", prefix, "--trigger", "api", "--timeout", 1, "--json")
    done = flow(client, tmp_path, *arguments)
    faults.clear()
    assert done.code == 1
    (job,) = done.json["jobs"]
    assert job["problem"].startswith(f"it is still {job['status']} after ")
    assert client.finished(job["jobId"])["status"] == "READY"


def test_ctrl_c_says_which_jobs_go_on(
    client: Client, faults: FaultInjector, tmp_path: Path
) -> None:
    prefix = client.put_sources({"a.pdf": b"one"})
    plan = "faults: [{caller: zipper, operation: GetObject, key: '*/a.pdf', latency: 30}]"
    faults.install(FaultPlan.parse(plan))

    def job_id() -> str | None:
        _, _, answer = client.curl("/zip-jobs?status=RUNNING")
        return next((job["jobId"] for job in answer["jobs"]), None)

    arguments = ("--prefix", prefix, "--trigger", "api", "--out", tmp_path)
    with begun(client, "test-flow", *arguments) as running:
        found = wait_for("the job to run", job_id)
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=PATIENCE_SECONDS)
    faults.clear()
    assert (running.returncode, out) == (130, "")
    assert f"Job {found} goes on. `python -m zipjobs_cli cancel {found}` ends it." in err
    assert client.finished(found)["status"] == "READY"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--whole-bucket", "--prefix", "x"], "it goes without --prefix and --count."),
        (["--count", "0"], "'--count'"),
        (["--trigger", "mail"], "'--trigger'"),
        (["--prefix", "there/is/nothing/"], "There is nothing below s3://"),
    ],
)
def test_what_cannot_be_done_is_said(
    client: Client, tmp_path: Path, arguments: list[str], said: str
) -> None:
    done = flow(client, tmp_path, *arguments)
    assert (done.code, done.out) == (2, "")
    assert said in " ".join(done.err.split())
    assert "Traceback" not in done.err
