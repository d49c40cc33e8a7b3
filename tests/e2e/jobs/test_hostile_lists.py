"""Lists that try to exhaust memory or time of workers, and other jobs at the same time."""

import gzip
import json
from collections.abc import Callable

from tests.e2e.stack import Client
from tests.support.waiting import wait_for

MANY = 22_000


def deep_names() -> bytes:
    """Return a list of names in 400 folders. The last two are equal, so no object is read."""
    names = (f"{min(number, MANY - 2)}/" + "d/" * 399 + "x" for number in range(MANY))
    return b"".join(json.dumps({"key": "one.pdf", "name": name}).encode() + b"\n" for name in names)


LISTS: dict[str, tuple[Callable[[], bytes], str]] = {
    "names of 400 folders": (deep_names, "DUPLICATE_NAME"),
    "a CSV record that never ends": (lambda: b'"\n' + b'","\n' * 10_000_000, "INVALID_MANIFEST"),
    "blank lines": (lambda: b"\n" * 100_000_000, "LIST_TOO_LARGE"),
}


def test_other_jobs_finish_beside_hostile_lists(open_stack: Client) -> None:
    start = len(open_stack.log)
    submit_all(open_stack)

    def report() -> bool | None:
        return any("REPORT" in line for line in open_stack.log[start:]) or None

    wait_for("the log of a function", report)
    log = "\n".join(open_stack.log[start:])
    assert "OutOfMemory" not in log
    assert "timed out" not in log


def submit_all(client: Client) -> None:
    """Submit hostile lists, hostile globs and ordinary jobs. Wait for all of them."""
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
