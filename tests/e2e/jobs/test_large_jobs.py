"""Jobs that are split into segments."""

import json
import random
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.stack import SEGMENT_MIB, Client
from tests.support.readers import READERS, Contents
from tests.support.waiting import wait_for
from zipjobs.archive.parts.sizing import MIB

SEGMENTS = 5
SIZES = [7 * MIB + i for i in range(SEGMENTS * SEGMENT_MIB // 7)]
SEGMENT_MESSAGE = re.compile(rb'\\"segment\\":\d')


@pytest.fixture(scope="module")
def bodies() -> dict[str, bytes]:
    """Return the content of each member."""
    return {f"{i:03}.pdf": random.Random(i).randbytes(size) for i, size in enumerate(SIZES)}


@pytest.fixture(scope="module")
def prefix(client: Client, bodies: dict[str, bytes]) -> str:
    contents = {f"{int(name[:3]) % 3}/{name}": body for name, body in bodies.items()}
    return client.put_sources({**contents, "left-out/draft.pdf": b"draft", "0/notes.txt": b"notes"})


def request(prefix: str) -> dict[str, Any]:
    return {"prefix": prefix, "include": ["**/*.pdf"], "exclude": ["left-out/**"]}


@pytest.fixture(scope="module")
def expected(client: Client, prefix: str) -> str:
    """Return the digest of the same archive, built by one worker."""
    return client.digest_of_archive_of(
        sorted(f"{prefix}{i % 3}/{i:03}.pdf" for i in range(len(SIZES)))
    )


def work_objects(client: Client, job_id: str) -> list[Any]:
    bucket = client.outputs["manifestBucket"]
    response = client.s3.list_objects_v2(Bucket=bucket, Prefix=f"work/{job_id}/")
    found: list[Any] = response.get("Contents", [])
    return found


def test_five_segments_equal_one_workers_archive(
    client: Client, prefix: str, expected: str
) -> None:
    job_id = client.post(request(prefix))
    job = client.finished(job_id)
    assert job["status"] == "READY"
    assert job["entries"] == {"done": len(SIZES), "total": len(SIZES)}
    assert job["bytes"] == {"done": sum(SIZES), "total": sum(SIZES)}
    planned = [line for line in client.log if f"Job {job_id}: planned" in line]
    assert f"in {SEGMENTS} segments" in planned[0]
    assert client.digest(job["targetKey"]) == expected
    assert work_objects(client, job_id) == []
    event = client.event(lambda detail: detail["jobId"] == job_id)
    assert event["detail-type"] == "Zip Job Ready"
    assert event["detail"]["archives"][0]["key"] == job["targetKey"]


@pytest.fixture(scope="module")
def archives(
    client: Client, prefix: str, tmp_path_factory: pytest.TempPathFactory
) -> list[tuple[Path, int]]:
    """Download the archives of a job that limits their size. Return them with their entries."""
    job = client.finished(client.post({**request(prefix), "maxArchiveBytes": 64 * MIB}))
    assert job["status"] == "READY"
    assert len(job["archives"]) >= 2
    downloads = []
    for number, archive in enumerate(job["archives"], 1):
        assert archive["size"] <= 64 * MIB
        path = client.download(archive, tmp_path_factory.mktemp("archive"))
        assert path.name == f"{job['jobId']}-{number:03}.zip"
        downloads.append((path, archive["entries"]))
    return downloads


@pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.__name__)
def test_readers_find_each_entry_once_in_numbered_archives(
    archives: list[tuple[Path, int]],
    bodies: dict[str, bytes],
    tmp_path: Path,
    reader: Callable[[Path, Path], Contents],
) -> None:
    found: Contents = {}
    for path, entries in archives:
        contents = reader(path, tmp_path / path.stem)
        assert len(contents) == entries
        found |= contents
    shutil.rmtree(tmp_path)
    assert set(found) == set(bodies)
    assert all(found[name] == body for name, body in bodies.items())


def test_names_of_a_list_in_s3_are_used(client: Client, prefix: str) -> None:
    lines = [
        {"key": f"{prefix}{i % 3}/{i:03}.pdf", "name": f"case {i % 2}/{i}.pdf"} for i in range(4)
    ]
    body = "\n".join(json.dumps(line) for line in lines).encode()
    bucket = client.outputs["sourceBucket"]
    client.s3.put_object(Bucket=bucket, Key=f"{prefix}list.jsonl", Body=body)
    job = client.finished(client.post({"entriesFrom": f"s3://{bucket}/{prefix}list.jsonl"}))
    assert job["status"] == "READY"
    assert job["entries"] == {"done": 4, "total": 4}


def test_one_error_lists_every_missing_object(client: Client, prefix: str) -> None:
    keys = [f"{prefix}{i % 3}/{i:03}.pdf" for i in range(len(SIZES))]
    gone = [f"{prefix}gone-{i}.pdf" for i in range(3)]
    job = client.finished(client.post({"keys": [*keys, *gone], "maxArchiveBytes": 100 * MIB}))
    assert (job["status"], job["error"]["code"]) == ("FAILED", "SOURCE_NOT_FOUND")
    bucket = client.outputs["sourceBucket"]
    assert job["error"]["objects"] == [f"s3://{bucket}/{key}" for key in gone]
    assert work_objects(client, job["jobId"]) == []


def test_segment_is_rebuilt_after_its_worker_is_killed(
    client: Client, prefix: str, expected: str
) -> None:
    job_id = kill_during_a_segment(client, prefix)
    client.end_visibility_timeouts()
    job = client.finished(job_id)
    assert job["status"] == "READY"
    assert client.digest(job["targetKey"]) == expected
    assert work_objects(client, job_id) == []
    assert client.uploads() == []


def kill_during_a_segment(client: Client, prefix: str) -> str:
    """Kill a worker while it builds a segment; return the ID of its job."""
    lines = len(client.log)
    job_id = client.post(request(prefix))

    def kill() -> bool | None:
        nonlocal job_id
        for process in workers_of_segments(client):
            process.kill()
        log = client.log[lines:]
        if any(f"Job {job_id}: READY" in line for line in log):  # No worker was seen in time.
            job_id = client.post(request(prefix))
        return any("Runtime.ExitError: signal 9" in line for line in log) or None

    wait_for("a worker to be killed", kill)
    return job_id


def workers_of_segments(client: Client) -> "list[subprocess.Popen[bytes]]":
    """Return the processes that handle a segment's message."""
    (zipper,) = (f for name, f in client.stack.functions.items() if "-zipper" in name)
    return [
        environment._process
        for environment in list(zipper._all)
        if (current := environment._current) and SEGMENT_MESSAGE.search(current.event)
    ]
