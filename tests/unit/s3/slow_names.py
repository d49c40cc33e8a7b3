"""Read one object from a host whose name is slow to resolve, and one from another host.

The test preloads a resolver. Prints a line for each object.
"""

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

from tests.unit.s3.loopback import Loopback, an_object, noise, read
from zipjobs.errors import ZipJobsError
from zipjobs.s3 import retry
from zipjobs.s3.http import client, transfer
from zipjobs.s3.object_reader import ObjectReader

OBJECT = noise(50_000)


def main() -> None:
    """Read both at the same time."""
    retry.ATTEMPTS = 3
    retry.FIRST_PAUSE_SECONDS = 0.001
    transfer.CONNECT_SECONDS = 2.0
    client.CLOSE_SECONDS = 0.1
    with ExitStack() as opened, ThreadPoolExecutor(1) as threads:
        loopback = Loopback(opened)
        server = loopback.serve(an_object(OBJECT))

        def answer(host: str) -> str:
            reader = ObjectReader(loopback.connect(f"http://{host}:{server.port}"))
            try:
                return "the object" if read(reader, flows=True) == OBJECT else "other bytes"
            except ZipJobsError as error:
                return type(error).__name__

        slow = threads.submit(answer, "s3.slow.example")
        print(f"other: {answer('127.0.0.1')}", flush=True)  # noqa: T201
        print(f"slow: {slow.result()}", flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
