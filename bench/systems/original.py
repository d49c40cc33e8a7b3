"""The algorithm that this project replaces, rewritten from its description.

It sends one GET at a time, reads chunks of 1 MiB, zips them with zipstream-ng, and uploads parts of
8 MiB sequentially.
"""

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

from zipstream import ZipStream

from bench.rounds import Run, ZipTask
from bench.s3_client import s3_client

PART_BYTES = 8 * 1024 * 1024
CHUNK_BYTES = 1024 * 1024


def prepare(task: ZipTask) -> Run:
    """Create the client. Everything else is part of the run."""
    s3 = s3_client(task.endpoint_url, task.ca_bundle, max_pool_connections=50)
    return lambda: _zip(s3, task)


def _zip(s3: Any, task: ZipTask) -> None:
    stream = ZipStream(compress_type=0)
    for key in task.keys:
        stream.add(_chunks(s3, task.source_bucket, key), PurePosixPath(key).name)
    target = {"Bucket": task.target_bucket, "Key": task.target_key}
    upload_id = s3.create_multipart_upload(**target)["UploadId"]
    parts: list[dict[str, Any]] = []
    buffer = bytearray()

    def send(data: bytes) -> None:
        number = len(parts) + 1
        answer = s3.upload_part(**target, PartNumber=number, UploadId=upload_id, Body=data)
        parts.append({"ETag": answer["ETag"], "PartNumber": number})

    for chunk in stream:
        buffer += chunk
        while len(buffer) >= PART_BYTES:
            send(bytes(buffer[:PART_BYTES]))
            del buffer[:PART_BYTES]
    if buffer:
        send(bytes(buffer))
    s3.complete_multipart_upload(**target, UploadId=upload_id, MultipartUpload={"Parts": parts})


def _chunks(s3: Any, bucket: str, key: str) -> Iterator[bytes]:
    body = s3.get_object(Bucket=bucket, Key=key)["Body"]
    yield from body.iter_chunks(chunk_size=CHUNK_BYTES)
