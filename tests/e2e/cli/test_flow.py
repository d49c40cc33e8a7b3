"""``test-flow`` and ``smoke`` against the embedded AWS."""

import signal
import zipfile
from pathlib import Path

from local.faults.injector import FaultInjector
from local.faults.plan import FaultPlan
from tests.e2e.cli.command import Result, start_zipjobs, zipjobs
from tests.e2e.stack import Client
from tests.support.waiting import WAIT_SECONDS, wait_for

FORBIDDEN = "{code: AccessDenied, status: 403}"


def flow(client: Client, folder: Path, *arguments: object) -> Result:
    return zipjobs(client, "test-flow", "--out", folder, *arguments)


def test_both_triggers_zip_all_objects_with_the_prefix(client: Client, tmp_path: Path) -> None:
    prefix = client.put_sources({"a.pdf": b"one", "b/c.pdf": b"three", "folder/": b""})
    for _ in range(2):  # the second run replaces the files of the first
        done = flow(client, tmp_path / "out", "--prefix", prefix)
        assert done.code == 0, done.err
    assert "2 objects (8 bytes)" in done.err
    assert f"s3://{client.outputs['sourceBucket']}/{prefix}" in done.err
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


def test_count_uploads_sample_pdfs_first(client: Client, tmp_path: Path) -> None:
    prefix = f"{tmp_path.name}/samples"
    arguments = ("--count", 2, "--prefix", prefix, "--trigger", "manifest", "--json")
    done = flow(client, tmp_path / "out", *arguments)
    assert (done.code, done.err) == (0, "")
    result = done.json
    (job,) = result.pop("jobs")
    listed = client.s3.list_objects_v2(Bucket=client.outputs["sourceBucket"], Prefix=prefix)
    size = sum(item["Size"] for item in listed["Contents"])
    assert result == {
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
        for item in page.get("Contents", ()):  # objects of other tests
            client.s3.delete_object(Bucket=bucket, Key=item["Key"])
    for _ in range(2):
        client.put_sources({"a.pdf": b"one"})
    done = flow(client, tmp_path, "--whole-bucket", "--trigger", "api", "--json")
    assert done.code == 0, done.out
    assert (done.json["prefix"], done.json["objects"], done.json["bytes"]) == ("", 2, 6)
    (file,) = done.json["jobs"][0]["files"]
    assert zipfile.ZipFile(file).namelist() == ["a.pdf", "a (2).pdf"]


def test_the_reason_of_a_failed_job_is_printed(
    client: Client, faults: FaultInjector, tmp_path: Path
) -> None:
    prefix = client.put_sources({"a.pdf": b"one"})
    fault = f"{{caller: zipper, operation: GetObject, key: '*/a.pdf', error: {FORBIDDEN}}}"
    faults.install(FaultPlan.parse(f"faults: [{fault}]"))
    done = flow(client, tmp_path, "--prefix", prefix, "--trigger", "api")
    assert done.code == 1
    assert "FAILED" in done.out
    assert "SOURCE_FORBIDDEN: " in done.out
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_prints_how_to_cancel_the_jobs(
    client: Client, faults: FaultInjector, tmp_path: Path
) -> None:
    prefix = client.put_sources({"a.pdf": b"one"})
    plan = "faults: [{caller: zipper, operation: GetObject, key: '*/a.pdf', latency: 30}]"
    faults.install(FaultPlan.parse(plan))

    def running_job() -> str | None:
        _, _, response = client.curl("/zip-jobs?status=RUNNING")
        return next((job["jobId"] for job in response["jobs"]), None)

    arguments = ("--prefix", prefix, "--trigger", "api", "--out", tmp_path)
    with start_zipjobs(client, "test-flow", *arguments) as running:
        job_id = wait_for("the job to run", running_job)
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=WAIT_SECONDS)
    assert (running.returncode, out) == (130, "")
    assert f"`python -m zipjobs_cli cancel {job_id}`" in err
    assert zipjobs(client, "cancel", job_id).code == 0


def test_a_prefix_without_objects_is_an_error(client: Client, tmp_path: Path) -> None:
    done = flow(client, tmp_path, "--prefix", "there/is/nothing/")
    assert (done.code, done.out) == (2, "")
    assert "No objects in s3://" in done.err
    assert "Traceback" not in done.err


def test_smoke_uploads_zips_and_cleans_up(client: Client) -> None:
    done = zipjobs(client, "smoke", "--json")
    assert (done.code, done.err) == (0, ""), done.out
    assert (done.json["isGood"], done.json["s3Copies"]) == (True, True)
    assert [job["trigger"] for job in done.json["jobs"]] == ["api", "manifest"]
    assert {job["status"] for job in done.json["jobs"]} == {"READY"}
    bucket = client.outputs["sourceBucket"]
    assert client.s3.list_objects_v2(Bucket=bucket, Prefix="smoke/")["KeyCount"] == 0


def test_smoke_passes_and_says_when_s3_does_not_copy(client: Client, faults: FaultInjector) -> None:
    plan = f"faults: [{{caller: zipper, operation: UploadPartCopy, error: {FORBIDDEN}}}]"
    faults.install(FaultPlan.parse(plan))
    done = zipjobs(client, "smoke")
    assert done.code == 0, done.out + done.err
    assert "Both archives match their receipts." in done.out
    assert "S3 copied nothing" in done.out
