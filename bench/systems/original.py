"""The algorithm that this project replaces, written anew from its description.

One GET at a time, in chunks of 1 MiB, through zipstream-ng into parts of 8 MiB that are uploaded
one after the other.
"""

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

from zipstream import ZipStream

from bench.child import Run, StandIn
from bench.client import s3_client

PART_BYTES = 8 * 1024 * 1024
CHUNK_BYTES = 1024 * 1024


def prepare(stand_in: StandIn) -> Run:
    """Make the client; the rest is the run."""
    s3 = s3_client(stand_in.endpoint_url, stand_in.ca_bundle, max_pool_connections=50)
    return lambda: _zip(s3, stand_in)


def _zip(s3: Any, stand_in: StandIn) -> None:
    stream = ZipStream(compress_type=0)
    for key in stand_in.keys:
        stream.add(_chunks(s3, stand_in.source_bucket, key), PurePosixPath(key).name)
    target = {"Bucket": stand_in.target_bucket, "Key": stand_in.target_key}
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
