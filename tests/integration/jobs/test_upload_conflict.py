"""Jobs whose archive's key is deleted during the upload. S3 never completes that upload."""

from typing import Any

import pytest

from tests.integration.worker_setup import Workers
from zipjobs.errors import UploadConflict
from zipjobs.jobs.job import Status
from zipjobs.s3.target import Target
from zipjobs.worker.segment_plan import WorkerQuota

KEYS = [f"{number}.pdf" for number in range(6)]


@pytest.fixture(autouse=True)
def conflict(workers: Workers, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Put and delete an object at the target of the first upload. Return the upload IDs."""
    for key in KEYS:
        workers.s3.put_object(Bucket="src", Key=key, Body=key.encode())
    created: list[str] = []
    create = workers.writer.create

    def create_and_delete(target: Target) -> str:
        created.append(create(target))
        if len(created) == 1:
            address: Any = {"Bucket": target.bucket, "Key": target.key}
            workers.s3.put_object(**address, Body=b"another object")
            workers.s3.delete_object(**address)
        return created[-1]

    monkeypatch.setattr(workers.writer, "create", create_and_delete)
    return created


def test_the_next_attempt_has_a_new_upload(workers: Workers, conflict: list[str]) -> None:
    message = workers.submit({"keys": KEYS})
    with pytest.raises(UploadConflict, match="needs a new upload"):
        workers.run(message)
    assert workers.run(message).status is Status.READY
    assert (len(conflict), workers.member_names(), workers.uploads()) == (2, KEYS, [])


def test_a_planned_job_is_planned_again(workers: Workers, conflict: list[str]) -> None:
    workers.quota = WorkerQuota(entries=2)
    job = workers.run(workers.submit({"keys": KEYS}))
    while workers.queue.sent:
        job = workers.run(workers.queue.sent.pop(0))
    assert (job.status, job.segments) == (Status.READY, 1)
    assert (len(conflict), workers.member_names(), workers.uploads()) == (2, KEYS, [])
    assert workers.work_objects() == []
