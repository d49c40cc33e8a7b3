"""Read objects with boto3 on threads: one GET each."""

from concurrent.futures import ThreadPoolExecutor

from bench.rounds import Run, ZipTask
from bench.s3_client import s3_client
from bench.systems.boto3_threads import READS


def prepare(task: ZipTask) -> Run:
    """Create the client and its threads."""
    s3 = s3_client(task.endpoint_url, task.ca_bundle, max_pool_connections=READS)
    threads = ThreadPoolExecutor(READS)

    def read(key: str) -> None:
        s3.get_object(Bucket=task.source_bucket, Key=key)["Body"].read()

    return lambda: [*threads.map(read, task.keys)]
