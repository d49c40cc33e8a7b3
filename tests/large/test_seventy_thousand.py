"""A job of 70,000 entries on the embedded AWS. Takes minutes: ``make test-large``."""

import hashlib
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from local.stack import running_stack
from tests.e2e.stack import Client
from tests.support.readers import READERS
from tests.support.waiting import wait_for

ENTRIES = 70_000
"""More than 65,535, the limit without ZIP64, and more than fits into one segment."""

SECONDS = 1200


def key(number: int) -> str:
    return f"many/{number:05}.txt"


def body(number: int) -> bytes:
    """Return the body of an object. All bodies together fill several parts, as segments need."""
    return f"{number:05}\n".encode() * (40 + number % 7)


def put_sources(client: Client) -> None:
    s3 = client.stack.client("s3")

    def put(number: int) -> None:
        s3.put_object(Bucket=client.outputs["sourceBucket"], Key=key(number), Body=body(number))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(put, range(ENTRIES)))


@pytest.mark.large
@pytest.mark.timeout(2 * SECONDS)
def test_every_reader_opens_an_archive_of_70_000_entries(tmp_path: Path) -> None:
    log: list[str] = []
    with running_stack(log=lambda function, line: log.append(line)) as stack:
        client = Client(stack, log)
        put_sources(client)
        job_id = client.post({"prefix": "many/"})
        progress: set[int] = set()

        def look() -> dict[str, object] | None:
            _, _, job = client.curl(f"/zip-jobs/{job_id}")
            progress.add(job["entries"]["done"])
            return job if job["status"] in ("READY", "FAILED") else None

        job = wait_for("the final status of the job", look, SECONDS)
        assert job["status"] == "READY"
        assert job["entries"] == {"done": ENTRIES, "total": ENTRIES}
        assert len(progress) > 2
        assert any(f"Job {job_id}: segment 2 of" in line for line in log)
        path = client.download(job, tmp_path)
        assert hashlib.sha256(path.read_bytes()).hexdigest() == client.digest_of_archive_of(
            [key(n) for n in range(ENTRIES)]
        )
    with zipfile.ZipFile(path) as archive:
        assert len(archive.namelist()) == ENTRIES
    for reader in READERS:
        contents = reader(path, tmp_path / reader.__name__)
        assert len(contents) == ENTRIES, reader.__name__
        assert all(contents[f"{n:05}.txt"] == body(n) for n in range(ENTRIES)), reader.__name__
