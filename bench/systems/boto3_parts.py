"""Upload parts with boto3 on threads: one for each key."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial

from bench.rounds import Run, ZipTask
from bench.s3_client import s3_client
from bench.systems.boto3_threads import PART_BYTES, UPLOADS


def prepare(task: ZipTask) -> Run:
    """Create the client and its threads."""
    s3 = s3_client(task.endpoint_url, task.ca_bundle, max_pool_connections=UPLOADS)
    threads = ThreadPoolExecutor(UPLOADS)
    data = bytes(range(256)) * (PART_BYTES // 256)
    target = {"Bucket": task.target_bucket, "Key": task.target_key}

    def send(upload_id: str, number: int) -> None:
        s3.upload_part(**target, UploadId=upload_id, PartNumber=number, Body=data)

    def run() -> None:
        upload = s3.create_multipart_upload(**target)
        numbers = range(1, len(task.keys) + 1)
        list(threads.map(partial(send, upload["UploadId"]), numbers))

    return run
