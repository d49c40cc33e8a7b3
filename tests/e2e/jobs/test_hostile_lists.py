"""Lists made to use up workers, on a stack with its default limits, and other jobs beside them."""

import gzip
import json
from collections.abc import Callable

from tests.e2e.stack import Client, client_of, local_up

MANY = 22_000


def deep_names() -> bytes:
    """Names of 400 folders, all of them different but the last two: no object need be read."""
    names = (f"{min(number, MANY - 2)}/" + "d/" * 399 + "x" for number in range(MANY))
    return b"".join(json.dumps({"key": "one.pdf", "name": name}).encode() + b"\n" for name in names)


LISTS: dict[str, tuple[Callable[[], bytes], str]] = {
    "names of 400 folders": (deep_names, "DUPLICATE_NAME"),
    "a CSV record that never ends": (lambda: b'"\n' + b'","\n' * 10_000_000, "INVALID_MANIFEST"),
    "blank lines": (lambda: b"\n" * 100_000_000, "LIST_TOO_LARGE"),
}


def test_other_jobs_finish_beside_hostile_lists() -> None:
    with local_up() as (outputs, said):
        submit_all(client_of(outputs))
    assert "REPORT" in said[0]
    assert "OutOfMemory" not in said[0]
    assert "timed out" not in said[0]


def submit_all(client: Client) -> None:
    """Submit the hostile lists and some ordinary jobs, and wait for all of them."""
    bucket = client.outputs["sourceBucket"]
    client.s3.put_object(Bucket=bucket, Key="one.pdf", Body=b"one")
    hostile = {}
    for name, (make, code) in LISTS.items():
        client.s3.put_object(Bucket=bucket, Key=name, Body=gzip.compress(make(), 1))
        request = {"entriesFrom": f"s3://{bucket}/{name}", "onDuplicate": "fail"}
        hostile[client.post(request)] = code
    globs = ["**?*" + "ab" * 170 + "b" * number for number in range(20)]
    key = "globs/" + "a" * 1000
    client.s3.put_object(Bucket=bucket, Key=key, Body=b"one")
    globbed = client.post({"prefix": "globs/", "exclude": globs})
    for _ in range(5):
        assert client.finished(client.post({"keys": ["one.pdf"]}))["status"] == "READY"
    assert client.finished(globbed)["status"] == "READY"
    for job_id, code in hostile.items():
        job = client.finished(job_id)
        assert (job["status"], job["error"]["code"]) == ("FAILED", code)
