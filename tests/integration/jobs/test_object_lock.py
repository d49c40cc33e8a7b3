"""Jobs whose target bucket has a default retention (S3 Object Lock)."""

import hashlib
import io
import zipfile
from dataclasses import replace

import pytest

from tests.integration.worker_setup import Workers, dying
from zipjobs.archive.parts.assembled_part import KEPT_PART_BYTES
from zipjobs.archive.parts.sizing import MIB
from zipjobs.jobs.job import Status

LARGE = hashlib.shake_128(b"large").digest(20 * MIB)


@pytest.fixture(autouse=True)
def locked(workers: Workers) -> None:
    workers.s3.delete_bucket(Bucket="dst")
    workers.s3.create_bucket(Bucket="dst", ObjectLockEnabledForBucket=True)
    workers.s3.put_object_lock_configuration(
        Bucket="dst",
        ObjectLockConfiguration={
            "ObjectLockEnabled": "Enabled",
            "Rule": {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 1}},
        },
    )
    workers.s3.put_object(Bucket="src", Key="small.pdf", Body=b"small")
    workers.s3.put_object(Bucket="src", Key="large.pdf", Body=LARGE)


@pytest.mark.parametrize("copy", [True, False], ids=["copied", "sent"])
def test_the_archive_and_its_receipt_are_written(workers: Workers, copy: bool) -> None:
    """Without copies, parts are too large to be kept in memory: their checksum would trail."""
    sizing = replace(workers.options.sizing, assembled_bytes=10 * MIB, growth=1)
    assert sizing.assembled_target(10 * MIB) > KEPT_PART_BYTES
    workers.options = replace(workers.options, copy=copy, sizing=sizing)
    job = workers.run_all({"keys": ["small.pdf", "large.pdf"]})
    assert job.status is Status.READY
    with zipfile.ZipFile(io.BytesIO(workers.target())) as archive:
        assert archive.read("small.pdf") == b"small"
        assert archive.read("large.pdf") == LARGE
    assert len(workers.receipt()["entries"]) == 2
    (archive_record,) = job.archives
    assert archive_record.version_id is not None
    assert archive_record.receipt_version_id is not None


def test_the_archive_of_a_cancelled_job_is_hidden_by_a_delete_marker(workers: Workers) -> None:
    message = workers.submit({"keys": ["small.pdf"]})
    with dying(workers.store, "ready"):
        workers.run(message)
    assert "zips/job-1.zip" in workers.target_keys()
    workers.finalizer.cancel(message.job_id)
    assert workers.target_keys() == []
