"""Jobs and downloads on the command line, against the embedded AWS."""

import json
import random
import re
import signal
import urllib.request
import uuid
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local.faults.injector import FaultInjector
from local.faults.plan import FaultPlan
from tests.e2e.cli.command import start_zipjobs, zipjobs
from tests.e2e.stack import STALLED_READ, Client
from tests.support.waiting import WAIT_SECONDS, wait_for

MIB = 1024 * 1024
CUT = FaultPlan.parse(
    f"""
    faults:
    - {{service: s3, operation: GetObject, key: "*.zip", caller: client, nth: 1, cut: {3 * MIB}}}
    """
)
CONTENTS = {"one.pdf": b"one", "größe.txt": b"two", "deep/three.pdf": b"three"}


def members(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_submit_list_status_download_and_verify(client: Client, tmp_path: Path) -> None:
    prefix = client.put_sources(CONTENTS)
    submitted = zipjobs(client, "submit", *(prefix + name for name in CONTENTS), "--wait", "--json")
    assert (submitted.code, submitted.err) == (0, "")
    job = submitted.json
    assert (job["status"], job["entries"]) == ("READY", {"done": 3, "total": 3})

    listed = zipjobs(client, "list", "--json", "--limit", "100", "--status", "READY")
    assert job["jobId"] in [json.loads(line)["jobId"] for line in listed.out.splitlines()]
    table = zipjobs(client, "list", "--limit", "100")
    assert re.search(rf"{job['jobId']}\s+READY", table.out)

    shown = zipjobs(client, "status", job["jobId"])
    assert "Status    READY\n" in shown.out
    with urllib.request.urlopen(shown.out.rpartition("Link      ")[2].strip()) as response:
        assert response.status == 200

    downloaded = zipjobs(client, "download", job["jobId"], "-o", tmp_path / "my.zip")
    assert (downloaded.code, downloaded.err) == (0, "")
    assert f"CRC-32 {job['archives'][0]['crc32']}, matches the receipt." in downloaded.out
    assert set(members(tmp_path / "my.zip").values()) == set(CONTENTS.values())
    assert zipjobs(client, "verify", tmp_path / "my.zip").code == 0


def test_keys_are_read_from_stdin_and_the_id_is_on_stdout(client: Client) -> None:
    prefix = client.put_sources(CONTENTS)
    keys = "".join(f"{prefix}{name}\n" for name in CONTENTS)
    done = zipjobs(client, "submit", "-", stdin=keys)
    assert done.code == 0, done.err
    job_id = done.out.strip()
    assert f"`python -m zipjobs_cli watch {job_id}`" in done.err
    watched = zipjobs(client, "watch", job_id)
    assert watched.code == 0
    assert "Entries   3\n" in watched.out
    assert f"Job {job_id}: READY, 3 of 3 entries, 11 of 11 bytes" in watched.err


def test_prefix_globs_naming_and_archive_name(client: Client, tmp_path: Path) -> None:
    prefix = client.put_sources(CONTENTS)
    selection = (
        *("--prefix", prefix, "--include", "**/*.{pdf,PDF}", "--exclude", "one.*"),
        *("--modified-after", "2020-01-01", "--modified-before", "2100-01-01T00:00:00Z"),
        *("--min-bytes", "0", "--max-bytes", "1000000000"),
    )
    done = zipjobs(client, "submit", *selection, "--naming", "relative", "--name", "q3", "--wait")
    assert done.code == 0, done.out + done.err
    job_id = done.out.split()[1]
    assert zipjobs(client, "download", job_id, "-o", f"{tmp_path}/").code == 0
    assert {path.name for path in tmp_path.iterdir()} == {"q3.zip", "q3.receipt.json"}
    assert members(tmp_path / "q3.zip") == {"deep/three.pdf": b"three"}


def test_a_job_is_submitted_by_manifest(client: Client) -> None:
    prefix = client.put_sources(CONTENTS)
    name = f"cli-{uuid.uuid4()}"
    done = zipjobs(client, "submit", prefix + "one.pdf", "--manifest", name, "--wait", "--json")
    assert (done.code, done.err) == (0, "")
    assert (done.json["trigger"], done.json["status"]) == ("manifest", "READY")
    assert done.json["manifest"]["key"] == f"{client.outputs['manifestPrefix']}{name}.json"

    uploaded = zipjobs(client, "submit", prefix + "one.pdf", "--manifest", name, "--json").json
    assert uploaded["manifest"]["versionId"]
    assert client.finished(uploaded["jobId"])["status"] == "READY"


@pytest.fixture
def unversioned(client: Client) -> Iterator[str]:
    """Suspend versioning of the manifest bucket. Yield its name."""
    bucket: str = client.outputs["manifestBucket"]
    client.s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Suspended"})
    yield bucket
    client.s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})


def test_without_versions_a_manifest_job_cannot_be_waited_for(
    client: Client, unversioned: str
) -> None:
    prefix = client.put_sources(CONTENTS)
    name = f"cli-{uuid.uuid4()}"
    done = zipjobs(client, "submit", prefix + "one.pdf", "--manifest", name, "--wait")
    assert (done.code, done.out) == (2, "")
    assert f"Uploaded s3://{unversioned}/" in done.err
    assert "keeps no versions" in done.err
    assert client.event_of_manifest(f"{client.outputs['manifestPrefix']}{name}.json")


def test_a_failed_job_has_exit_code_1_and_the_reason(client: Client) -> None:
    done = zipjobs(client, "submit", "nowhere/nothing.pdf", "--wait")
    assert done.code == 1
    assert "SOURCE_NOT_FOUND" in done.out
    assert "Traceback" not in done.err
    again = zipjobs(client, "watch", done.out.split()[1], "--json")
    assert (again.code, again.err, again.json["status"]) == (1, "", "FAILED")
    refused = zipjobs(client, "download", done.out.split()[1])
    assert refused.code == 2
    assert "is FAILED: it has no archive" in refused.err


def test_the_idempotency_key_identifies_the_job(client: Client) -> None:
    key = str(uuid.uuid4())
    first = zipjobs(client, "submit", "a.pdf", "--idempotency-key", key, "--json").json
    again = zipjobs(client, "submit", "a.pdf", "--idempotency-key", key, "--json").json
    assert first["jobId"] == again["jobId"]
    other = zipjobs(client, "submit", "b.pdf", "--idempotency-key", key)
    assert other.code == 2
    assert "IDEMPOTENCY_KEY_REUSED" in other.err


def test_a_finished_job_cannot_be_cancelled(client: Client, faults: FaultInjector) -> None:
    prefix = client.put_sources({"one.pdf": b"one", "never.pdf": b"never"})
    ready = zipjobs(client, "submit", prefix + "one.pdf", "--wait", "--json").json["jobId"]
    refused = zipjobs(client, "cancel", ready)
    assert (refused.code, refused.out) == (1, "")
    assert "is READY" in refused.err

    faults.install(STALLED_READ)
    waiting = zipjobs(client, "submit", prefix + "never.pdf", "--json").json["jobId"]
    done = zipjobs(client, "cancel", waiting)
    assert (done.code, done.out) == (0, f"Job {waiting} is CANCELLED.\n")
    watched = zipjobs(client, "watch", waiting, "--json")
    assert (watched.code, watched.json["status"]) == (1, "CANCELLED")


def test_ctrl_c_while_waiting_prints_how_to_continue(client: Client, faults: FaultInjector) -> None:
    prefix = client.put_sources({"never.pdf": b"never"})
    faults.install(STALLED_READ)
    with start_zipjobs(client, "submit", prefix + "never.pdf", "--wait") as waiting:
        assert waiting.stderr is not None
        first = waiting.stderr.readline()
        job_id = first.split()[1].rstrip(":")
        waiting.send_signal(signal.SIGINT)
        out, errors = waiting.communicate(timeout=WAIT_SECONDS)
    assert (waiting.returncode, out) == (130, "")
    assert f"`python -m zipjobs_cli watch {job_id}`" in errors
    assert "Traceback" not in errors
    assert zipjobs(client, "cancel", job_id).code == 0


def test_downloads_are_resumed(client: Client, faults: FaultInjector, tmp_path: Path) -> None:
    content = random.Random(3).randbytes(8 * MIB)
    prefix = client.put_sources({"large.bin": content})
    job = zipjobs(client, "submit", prefix + "large.bin", "--wait", "--json").json
    whole = tmp_path / "whole.zip"
    faults.install(CUT)
    assert zipjobs(client, "download", job["jobId"], "-o", whole).code == 0
    assert faults.summary()
    assert set(members(whole).values()) == {content}

    (archive,) = job["archives"]
    part = tmp_path / f"cut.zip.{archive['crc32']}.part"
    part.write_bytes(whole.read_bytes()[: 5 * MIB])
    done = zipjobs(client, "download", job["jobId"], "-o", tmp_path / "cut.zip", "--json")
    assert (done.code, done.err) == (0, "")
    assert done.json["archives"][0]["resumedBytes"] == 5 * MIB
    assert (tmp_path / "cut.zip").read_bytes() == whole.read_bytes()
    assert not part.exists()

    client.s3.put_object(Bucket=client.outputs["targetBucket"], Key=archive["key"], Body=b"another")
    part.write_bytes(whole.read_bytes()[: 5 * MIB])
    changed = zipjobs(client, "download", job["jobId"], "-o", tmp_path / "other.zip")
    assert (changed.code, changed.out) == (2, "")
    assert "replaced" in changed.err
    assert not (tmp_path / "other.zip").exists()


def test_watch_prints_changed_jobs_until_ctrl_c(client: Client) -> None:
    prefix = client.put_sources(CONTENTS)
    with start_zipjobs(client, "watch", "--json", "--limit", "5") as watching:
        assert watching.stdout is not None
        job_id = zipjobs(client, "submit", prefix + "one.pdf", "--json").json["jobId"]

        def ready() -> dict[str, Any] | None:
            assert watching.stdout is not None
            job: dict[str, Any] = json.loads(watching.stdout.readline())
            return job if (job["jobId"], job["status"]) == (job_id, "READY") else None

        assert wait_for("the job to be printed", ready)["entries"]["done"] == 1
        watching.send_signal(signal.SIGINT)
        _, errors = watching.communicate(timeout=WAIT_SECONDS)
    assert (watching.returncode, errors) == (0, "")


def test_a_dry_run_shows_the_archive_and_starts_no_job(client: Client) -> None:
    prefix = client.put_sources({**CONTENTS, "one.txt": b"more", "folder/": b""})
    keys = [prefix + name for name in (*CONTENTS, "folder/", "gone.pdf")]
    before = client.curl("/zip-jobs?limit=100")[2]["jobs"]
    shown = zipjobs(client, "submit", *keys, "--dry-run")
    assert shown.code == 1
    lines = [line.split() for line in shown.out.splitlines()]
    assert lines[:3] == [["3", "one.pdf"], ["3", "größe.txt"], ["5", "three.pdf"]]
    assert lines[3][0].endswith("/gone.pdf")
    assert lines[3][1:] == ["(SOURCE_NOT_FOUND:", "does", "not", "exist)"]
    assert "3 entries, 11 bytes.\nThe job would fail: 1 object cannot be read." in shown.err

    skipping = zipjobs(client, "submit", *keys, "--dry-run", "--on-missing", "skip", "--json")
    assert skipping.code == 0
    source = f"s3://{client.outputs['sourceBucket']}/{prefix}gone.pdf"
    assert skipping.json == {
        "entries": [
            {"name": "one.pdf", "size": 3},
            {"name": "größe.txt", "size": 3},
            {"name": "three.pdf", "size": 5},
        ],
        "bytes": 11,
        "unreadable": [{"object": source, "reason": "SOURCE_NOT_FOUND"}],
        "wouldFail": False,
    }
    naming = ("--naming", "relative", "--empty-folders", "keep")
    by_prefix = zipjobs(client, "submit", "--prefix", prefix, *naming, "--dry-run")
    assert (by_prefix.code, by_prefix.out.split()[-2:]) == (0, ["0", "folder/"])
    invalid = zipjobs(client, "submit", "--prefix", f"{prefix}none/", "--dry-run")
    assert invalid.code == 1
    assert "The job would fail: INVALID_REQUEST: prefix: nothing matched" in invalid.err
    assert client.curl("/zip-jobs?limit=100")[2]["jobs"] == before
