"""smart_open and stream-zip, a usual pair in Python."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import PurePosixPath
from typing import Any

from bench.rounds import Run, ZipTask
from bench.s3_client import s3_client

CHUNK_BYTES = 64 * 1024
MODE = 0o100644
MODIFIED = datetime(2026, 11, 1)  # noqa: DTZ001  (stream-zip takes naive times)


def prepare(task: ZipTask) -> Run:
    """Create the client. Everything else is part of the run."""
    import smart_open
    from stream_zip import NO_COMPRESSION_64, stream_zip

    s3 = s3_client(task.endpoint_url, task.ca_bundle)
    options = {"client": s3}

    def member(key: str) -> tuple[str, datetime, int, Any, Iterator[bytes]]:
        def chunks() -> Iterator[bytes]:
            address = f"s3://{task.source_bucket}/{key}"
            with smart_open.open(address, "rb", transport_params=options) as source:
                while chunk := source.read(CHUNK_BYTES):
                    yield chunk

        return PurePosixPath(key).name, MODIFIED, MODE, NO_COMPRESSION_64, chunks()

    def run() -> None:
        address = f"s3://{task.target_bucket}/{task.target_key}"
        with smart_open.open(address, "wb", transport_params=options) as target:
            for chunk in stream_zip(member(key) for key in task.keys):
                target.write(chunk)

    return run
