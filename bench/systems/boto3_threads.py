"""The obvious improvement: boto3 on threads, 64 reads and 6 uploads at once."""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import PurePosixPath
from typing import Any

from zipstream import ZipStream

from bench.child import Run, StandIn
from bench.client import s3_client

PART_BYTES = 8 * 1024 * 1024
RANGE_BYTES = 8 * 1024 * 1024
READS = 64
UPLOADS = 6


def prepare(stand_in: StandIn) -> Run:
    """Make the client; the rest is the run."""
    s3 = s3_client(stand_in.endpoint_url, stand_in.ca_bundle, max_pool_connections=READS + UPLOADS)
    return lambda: _zip(s3, stand_in)


def _zip(s3: Any, stand_in: StandIn) -> None:
    target = {"Bucket": stand_in.target_bucket, "Key": stand_in.target_key}
    upload_id = s3.create_multipart_upload(**target)["UploadId"]
    with ThreadPoolExecutor(READS) as readers, ThreadPoolExecutor(UPLOADS) as uploaders:

        def send(number: int, data: bytes) -> dict[str, Any]:
            answer = s3.upload_part(**target, PartNumber=number, UploadId=upload_id, Body=data)
            return {"ETag": answer["ETag"], "PartNumber": number}

        stream = ZipStream(compress_type=0)
        for key, body in _read_ahead(s3, stand_in, readers):
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
    s3: Any, stand_in: StandIn, readers: ThreadPoolExecutor
) -> Iterator[tuple[str, Iterator[bytes]]]:
    """Each key with its body, which is read as ranges; the first ranges are read ahead."""

    def read(key: str, first: int) -> tuple[bytes, int]:
        wanted = f"bytes={first}-{first + RANGE_BYTES - 1}"
        answer = s3.get_object(Bucket=stand_in.source_bucket, Key=key, Range=wanted)
        return answer["Body"].read(), int(answer["ContentRange"].rpartition("/")[2])

    window: deque[Future[tuple[bytes, int]]] = deque()
    ahead = iter(stand_in.keys)

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

    for key in stand_in.keys:
        yield key, body(key)
