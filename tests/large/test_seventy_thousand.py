"""A job of 70,000 entries on the embedded AWS. Takes minutes: ``make test-large``."""

import hashlib
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from botocore.credentials import ReadOnlyCredentials

from local.stack import running_stack
from tests.e2e.conftest import Client
from tests.readers import READERS
from tests.waiting import wait_for
from zipjobs.archive.engine import build_archive
from zipjobs.archive.means import EngineOptions, Means
from zipjobs.archive.names import basename
from zipjobs.archive.parts import BlockPool
from zipjobs.archive.reader import ObjectReader
from zipjobs.archive.sender import PartSender
from zipjobs.archive.source import Entry, Source
from zipjobs.archive.transport import Transport
from zipjobs.archive.writer import ArchiveWriter, Target
from zipjobs.wiring import BLOCKS_BYTES

ENTRIES = 70_000
"""More than 65,535, which is what ZIP's old fields can count, and four functions' shares."""

SECONDS = 1200


def key(number: int) -> str:
    return f"many/{number:05}.txt"


def body(number: int) -> bytes:
    """Enough for 20,000 of them to fill a part, which is what a segment takes at the least."""
    return f"{number:05}\n".encode() * (40 + number % 7)


def put_sources(client: Client) -> None:
    s3 = client.stack.client("s3")

    def put(number: int) -> None:
        s3.put_object(Bucket=client.outputs["sourceBucket"], Key=key(number), Body=body(number))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(put, range(ENTRIES)))


def one_workers_archive(client: Client) -> str:
    """The digest of what one worker makes of the same list."""
    outputs = client.outputs
    where = (outputs["awsEndpointUrl"], outputs["region"])
    credentials = ReadOnlyCredentials("any", "thing", None)
    transport = Transport(*where, lambda: credentials, 16)
    sender = PartSender(*where, lambda: credentials, 4)
    entries = [
        Entry(basename(key(number)), Source(outputs["sourceBucket"], key(number)))
        for number in range(ENTRIES)
    ]
    s3 = client.stack.client("s3")
    with ArchiveWriter(s3, sender).upload(Target(outputs["targetBucket"], "one.zip")) as upload:
        options = EngineOptions(probes=12)
        means = Means(ObjectReader(transport), upload, BlockPool(BLOCKS_BYTES), options)
        build_archive(entries, means)
    transport.close()
    return digest(client, "one.zip")


def digest(client: Client, name: str) -> str:
    found = client.s3.get_object(Bucket=client.outputs["targetBucket"], Key=name)["Body"].read()
    return hashlib.sha256(found).hexdigest()


@pytest.mark.large
@pytest.mark.timeout(2 * SECONDS)
def test_seventy_thousand_entries_are_one_archive_that_every_reader_opens(tmp_path: Path) -> None:
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

        job = wait_for("the end of the job", look, SECONDS)
        assert job["status"] == "READY"
        assert job["entries"] == {"done": ENTRIES, "total": ENTRIES}
        assert len(progress) > 2
        assert any(f"Job {job_id}: segment 1 of 4" in line for line in log)
        path = client.download(job, tmp_path)
        assert hashlib.sha256(path.read_bytes()).hexdigest() == one_workers_archive(client)
    with zipfile.ZipFile(path) as archive:
        assert len(archive.namelist()) == ENTRIES
    for reader in READERS:
        contents = reader(path, tmp_path / reader.__name__)
        assert len(contents) == ENTRIES, reader.__name__
        assert all(contents[f"{n:05}.txt"] == body(n) for n in range(ENTRIES)), reader.__name__
