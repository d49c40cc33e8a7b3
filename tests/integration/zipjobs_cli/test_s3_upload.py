"""Bulk uploads to moto: content, skipped files, retries and failures."""

import base64
import random
import threading
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

from local.faults.injector import FaultInjector
from local.faults.plan import FaultPlan
from tests.support.http_server import closed_port
from zipjobs_cli.uploads.local_files import LocalFile, find_files
from zipjobs_cli.uploads.s3_upload import (
    MAX_CONSECUTIVE_FAILURES,
    NOT_TRIED,
    BulkUpload,
    UploadResult,
)

MIB = 1 << 20
LARGE = random.Random(1).randbytes(20 * MIB + 7)
NO_PAUSES = (0.0, 0.0)


@pytest.fixture
def make(tmp_path: Path) -> Callable[[dict[str, bytes]], list[LocalFile]]:
    """Return a function that writes files and returns them with the prefix ``in/``."""

    def write(contents: dict[str, bytes]) -> list[LocalFile]:
        for name, body in contents.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_bytes(body)
        return find_files([tmp_path], "in/")

    return write


Make = Callable[[dict[str, bytes]], list[LocalFile]]


def bulk(s3: Any, **changed: Any) -> BulkUpload:
    settings = {
        "concurrency": 4,
        "batch_files": 50,
        "is_forced": False,
        "pauses_seconds": NO_PAUSES,
    }
    return BulkUpload(s3, "src", **{**settings, **changed})


def total(batches: Iterable[UploadResult]) -> UploadResult:
    whole = UploadResult()
    for batch in batches:
        whole.add(batch)
    return whole


def crc32(body: bytes) -> str:
    return base64.b64encode(zlib.crc32(body).to_bytes(4, "big")).decode()


def keys(files: Iterable[LocalFile]) -> list[str]:
    return [file.key for file in files]


def test_objects_have_content_crc32_and_content_type(s3: Any, make: Make) -> None:
    contents = {"a.pdf": b"one", "größe/b.pdf": b"two", "empty.bin": b"", "large.pdf": LARGE}
    done = total(bulk(s3).run(make(contents)))
    assert sorted(keys(done.uploaded)) == sorted(f"in/{name}" for name in contents)
    assert (done.skipped, done.failed) == ([], [])
    for name, body in contents.items():
        where = {"Bucket": "src", "Key": f"in/{name}"}
        assert s3.get_object(**where)["Body"].read() == body
        head = s3.head_object(**where, ChecksumMode="ENABLED")
        assert head["ChecksumCRC32"] == crc32(body)
        is_pdf = name.endswith(".pdf")
        assert head["ContentType"] == ("application/pdf" if is_pdf else "application/octet-stream")


def test_large_files_are_uploaded_in_parts(s3: Any, make: Make) -> None:
    total(bulk(s3).run(make({"large.pdf": LARGE})))
    assert s3.head_object(Bucket="src", Key="in/large.pdf")["ETag"].endswith('-3"')
    assert "Uploads" not in s3.list_multipart_uploads(Bucket="src")


def test_only_new_and_changed_files_are_uploaded(s3: Any, make: Make) -> None:
    contents = {"same.pdf": b"same", "large.pdf": LARGE, "changed.pdf": b"new", "longer.pdf": b"xx"}
    files = make(contents)
    s3.put_object(Bucket="src", Key="in/changed.pdf", Body=b"old")
    s3.put_object(Bucket="src", Key="in/longer.pdf", Body=b"x")
    same = [file for file in files if file.key in ("in/same.pdf", "in/large.pdf")]
    assert total(bulk(s3).run(same)).uploaded == same
    done = total(bulk(s3).run(files))
    assert done.skipped == same
    assert sorted(keys(done.uploaded)) == ["in/changed.pdf", "in/longer.pdf"]
    assert keys(total(bulk(s3).run(files)).skipped) == keys(files)
    assert keys(total(bulk(s3, is_forced=True).run(files)).uploaded) == keys(files)


@pytest.mark.parametrize(
    "arguments", [{}, {"ChecksumAlgorithm": "SHA256"}, {"ChecksumAlgorithm": "CRC32"}]
)
def test_objects_of_other_programs_are_compared_by_checksum(
    s3: Any, make: Make, arguments: dict[str, str]
) -> None:
    files = make({"a.pdf": b"content"})
    s3.put_object(Bucket="src", Key="in/a.pdf", Body=b"content", **arguments)
    assert total(bulk(s3).run(files)).skipped == files
    s3.put_object(Bucket="src", Key="in/a.pdf", Body=b"CONTENT", **arguments)
    assert keys(total(bulk(s3).run(files)).uploaded) == ["in/a.pdf"]


def test_multipart_objects_without_crc32_are_uploaded_again(s3: Any, make: Make) -> None:
    files = make({"a.pdf": LARGE})
    upload = {"Bucket": "src", "Key": "in/a.pdf"}
    upload["UploadId"] = s3.create_multipart_upload(**upload)["UploadId"]
    etag = s3.upload_part(**upload, PartNumber=1, Body=LARGE)["ETag"]
    parts = {"Parts": [{"PartNumber": 1, "ETag": etag}]}
    s3.complete_multipart_upload(**upload, MultipartUpload=parts)
    assert keys(total(bulk(s3).run(files)).uploaded) == ["in/a.pdf"]
    assert keys(total(bulk(s3).run(files)).skipped) == ["in/a.pdf"]


def test_batches_have_the_given_size_and_order(s3: Any, make: Make) -> None:
    files = make({f"{number:02}.pdf": b"x" for number in range(7)})
    batches = list(bulk(s3, batch_files=3).run(files))
    assert [keys(batch.uploaded) for batch in batches] == [
        keys(files[first : first + 3]) for first in (0, 3, 6)
    ]


def test_concurrency_is_limited(s3: Any, make: Make, faults: FaultInjector) -> None:
    files = make({f"{number:02}.pdf": b"x" for number in range(20)} | {"large.pdf": LARGE})
    faults.install(FaultPlan.parse("faults: [{service: s3, latency: 0.02}]"))
    current, highest, lock = 0, 0, threading.Lock()

    def on_start(**_: Any) -> None:
        nonlocal current, highest
        with lock:
            current += 1
            highest = max(highest, current)

    def on_end(**_: Any) -> None:
        nonlocal current
        with lock:
            current -= 1

    for operation in ("PutObject", "UploadPart"):
        s3.meta.events.register(f"before-call.s3.{operation}", on_start)
        s3.meta.events.register(f"after-call.s3.{operation}", on_end)
    assert len(total(bulk(s3, concurrency=3).run(files)).uploaded) == 21
    assert highest == 3


def test_a_file_that_fails_does_not_stop_the_others(
    s3: Any, make: Make, faults: FaultInjector, tmp_path: Path
) -> None:
    files = make({f"{number}.pdf": b"x" for number in range(6)})
    faults.install(
        FaultPlan.parse(
            "faults: [{operation: PutObject, key: '*/3.pdf', "
            "error: {code: AccessDenied, status: 403}}]"
        )
    )
    (tmp_path / "5.pdf").unlink()
    done = total(bulk(s3, batch_files=2).run(files))
    assert keys(done.uploaded) == ["in/0.pdf", "in/1.pdf", "in/2.pdf", "in/4.pdf"]
    rejected, missing = done.failed
    assert (rejected.file.key, missing.file.key) == ("in/3.pdf", "in/5.pdf")
    assert rejected.problem.startswith("AccessDenied")
    assert missing.problem == "No such file or directory"


def test_transient_failures_are_retried_after_the_batch(
    s3: Any, make: Make, faults: FaultInjector
) -> None:
    files = make({f"{number}.pdf": b"x" for number in range(4)} | {"large.pdf": LARGE})
    plan = """faults:
      - {operation: PutObject, key: "*/2.pdf", times: 2, error: {code: SlowDown, status: 503}}
      - {operation: UploadPart, times: 3, error: {code: InternalError, status: 500}}
      - {operation: HeadObject, key: "*/1.pdf", times: 2, reset: true}
    """
    faults.install(FaultPlan.parse(plan))
    progress = Progress()
    done = total(bulk(without_retries(s3), on_bytes=progress).run(files))
    assert sorted(keys(done.uploaded)) == keys(files)
    assert done.failed == []
    assert progress.bytes == sum(file.size for file in files)
    assert "Uploads" not in s3.list_multipart_uploads(Bucket="src")


def test_a_file_that_changes_during_the_upload_is_retried(s3: Any, make: Make) -> None:
    (file,) = make({"large.pdf": LARGE})
    changed = LARGE[:-1] + bytes([LARGE[-1] ^ 1])
    progress = Progress()

    def on_bytes(count: int) -> None:
        if not progress.bytes:
            file.path.write_bytes(changed)
        progress(count)

    done = total(bulk(s3, concurrency=1, on_bytes=on_bytes).run([file]))
    assert (done.uploaded, done.failed) == ([file], [])
    assert s3.get_object(Bucket="src", Key=file.key)["Body"].read() == changed
    assert progress.bytes == file.size


def test_a_permanent_failure_leaves_no_upload(s3: Any, make: Make, faults: FaultInjector) -> None:
    files = make({"a.pdf": b"x", "large.pdf": LARGE})
    plan = "faults: [{operation: UploadPart, error: {code: InternalError, status: 500}}]"
    faults.install(FaultPlan.parse(plan))
    progress = Progress()
    done = total(bulk(without_retries(s3), on_bytes=progress).run(files))
    assert keys(done.uploaded) == ["in/a.pdf"]
    (failure,) = done.failed
    assert failure.problem.startswith("InternalError")
    assert progress.bytes == 1
    faults.clear()
    assert "Uploads" not in s3.list_multipart_uploads(Bucket="src")


def test_invalid_keys_are_failures(s3: Any, tmp_path: Path) -> None:
    (tmp_path / "a.pdf").write_bytes(b"x")
    files = [LocalFile(tmp_path / "a.pdf", key, 1) for key in ("ü" * 513, "\udcff.pdf", "ü" * 512)]
    done = total(bulk(s3).run(files))
    too_long, not_unicode = (failure.problem for failure in done.failed)
    assert "1,026 bytes" in too_long
    assert "not UTF-8" in not_unicode
    assert keys(done.uploaded) == ["ü" * 512]


def test_consecutive_failures_stop_the_upload(s3: Any, make: Make, faults: FaultInjector) -> None:
    files = make({f"{number:03}.pdf": b"x" for number in range(MAX_CONSECUTIVE_FAILURES + 20)})
    plan = "faults: [{operation: PutObject, error: {code: ExpiredToken, status: 400}}]"
    faults.install(FaultPlan.parse(plan))
    done = total(bulk(s3, batch_files=10).run(files))
    assert [failure.file for failure in done.failed] == files
    tried = [failure for failure in done.failed if failure.problem != NOT_TRIED]
    assert len(tried) == MAX_CONSECUTIVE_FAILURES


def test_unreadable_files_do_not_stop_the_upload(s3: Any, make: Make, tmp_path: Path) -> None:
    files = make({f"{number:03}.pdf": b"x" for number in range(MAX_CONSECUTIVE_FAILURES + 20)})
    for number in range(MAX_CONSECUTIVE_FAILURES + 10):
        (tmp_path / f"{number:03}.pdf").unlink()
    done = total(bulk(s3, batch_files=10).run(files))
    assert keys(done.uploaded) == keys(files[-10:])


def test_without_read_permission_all_are_uploaded(
    s3: Any, make: Make, faults: FaultInjector
) -> None:
    files = make({"a.pdf": b"x"})
    plan = "faults: [{operation: HeadObject, error: {code: Forbidden, status: 403}}]"
    faults.install(FaultPlan.parse(plan))
    for _ in range(2):
        assert keys(total(bulk(s3).run(files)).uploaded) == ["in/a.pdf"]


def test_connection_errors_are_failures(make: Make, aws: Any) -> None:
    files = make({"a.pdf": b"x"})
    with closed_port() as port:
        done = total(bulk(without_retries(aws("s3"), f"http://127.0.0.1:{port}")).run(files))
    (failure,) = done.failed
    assert failure.problem.startswith("Could not connect to the endpoint URL")


class Progress:
    """Adds up the arguments of ``on_bytes``."""

    def __init__(self) -> None:
        self.bytes = 0
        self._lock = threading.Lock()

    def __call__(self, count: int) -> None:
        with self._lock:
            self.bytes += count


def without_retries(s3: Any, url: str | None = None) -> Any:
    """Return a client for the same endpoint or ``url`` without retries."""
    return boto3.client(
        "s3",
        endpoint_url=url or s3.meta.endpoint_url,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(retries={"mode": "standard", "total_max_attempts": 1}),
    )
