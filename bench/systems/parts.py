"""Upload parts with the data plane's client: one for each key, streamed, with a trailing CRC-32."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial

from bench.rounds import Run, ZipTask
from bench.s3_client import s3_client
from bench.systems.boto3_threads import PART_BYTES, UPLOADS
from bench.systems.clients import http_client
from zipjobs.s3.part_upload import BLOCK_BYTES, PartSender
from zipjobs.s3.target import Target


def prepare(task: ZipTask, *, in_memory: bool = False) -> Run:
    """Create the sender and its threads. Parts ``in_memory`` have their CRC-32 in a header."""
    s3 = s3_client(task.endpoint_url, task.ca_bundle)
    sender = PartSender(http_client(task, UPLOADS))
    threads = ThreadPoolExecutor(UPLOADS)
    block = memoryview(bytes(range(256)) * (BLOCK_BYTES // 256))
    blocks = [block] * (PART_BYTES // BLOCK_BYTES)

    def send(upload_id: str, number: int) -> None:
        target = Target(task.target_bucket, task.target_key)
        sender.put(
            target, upload_id, number, PART_BYTES, lambda: blocks if in_memory else iter(blocks)
        )

    def run() -> None:
        upload = s3.create_multipart_upload(Bucket=task.target_bucket, Key=task.target_key)
        numbers = range(1, len(task.keys) + 1)
        list(threads.map(partial(send, upload["UploadId"]), numbers))

    return run
