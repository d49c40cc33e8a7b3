"""The obvious improvement of the original: boto3 in threads, 64 reads and 6 uploads at a time."""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import PurePosixPath
from typing import Any

from zipstream import ZipStream

from bench.rounds import Run, ZipTask
from bench.s3_client import s3_client

PART_BYTES = 8 * 1024 * 1024
RANGE_BYTES = 8 * 1024 * 1024
READS = 64
UPLOADS = 6


def prepare(task: ZipTask) -> Run:
    """Create the client. Everything else is part of the run."""
    s3 = s3_client(task.endpoint_url, task.ca_bundle, max_pool_connections=READS + UPLOADS)
    return lambda: _zip(s3, task)


def _zip(s3: Any, task: ZipTask) -> None:
    target = {"Bucket": task.target_bucket, "Key": task.target_key}
    upload_id = s3.create_multipart_upload(**target)["UploadId"]
    with ThreadPoolExecutor(READS) as readers, ThreadPoolExecutor(UPLOADS) as uploaders:

        def send(number: int, data: bytes) -> dict[str, Any]:
            answer = s3.upload_part(**target, PartNumber=number, UploadId=upload_id, Body=data)
            return {"ETag": answer["ETag"], "PartNumber": number}

        stream = ZipStream(compress_type=0)
        for key, body in _read_ahead(s3, task, readers):
            stream.add(body, PurePosixPath(key).name)
        parts: list[Future[dict[str, Any]]] = []
        buffer = bytearray()
        for chunk in stream:
            buffer += chunk
            while len(buffer) >= PART_BYTES:
                parts.append(uploaders.submit(send, len(parts) + 1, bytes(buffer[:PART_BYTES])))
                del buffer[:PART_BYTES]
                if len(parts) > UPLOADS:
                    parts[-UPLOADS - 1].result()
        if buffer:
            parts.append(uploaders.submit(send, len(parts) + 1, bytes(buffer)))
        done = [part.result() for part in parts]
    s3.complete_multipart_upload(**target, UploadId=upload_id, MultipartUpload={"Parts": done})


def _read_ahead(
    s3: Any, task: ZipTask, readers: ThreadPoolExecutor
) -> Iterator[tuple[str, Iterator[bytes]]]:
    """Yield each key with its body, in ranges. The first ranges of 64 objects are read ahead."""

    def read(key: str, first: int) -> tuple[bytes, int]:
        wanted = f"bytes={first}-{first + RANGE_BYTES - 1}"
        answer = s3.get_object(Bucket=task.source_bucket, Key=key, Range=wanted)
        return answer["Body"].read(), int(answer["ContentRange"].rpartition("/")[2])

    window: deque[Future[tuple[bytes, int]]] = deque()
    ahead = iter(task.keys)

    def body(key: str) -> Iterator[bytes]:
        for following in ahead:
            window.append(readers.submit(read, following, 0))
            if len(window) >= READS:
                break
        data, size = window.popleft().result()
        yield data
        rest = [readers.submit(read, key, first) for first in range(len(data), size, RANGE_BYTES)]
        for future in rest:
            yield future.result()[0]

    for key in task.keys:
        yield key, body(key)
