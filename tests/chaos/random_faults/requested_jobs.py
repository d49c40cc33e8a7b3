"""The jobs that a run requests, and their expected outcomes."""

import random
import string
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.chaos.random_faults.client import RetryingClient

MIB = 1024 * 1024

SEGMENT_MIB = 8
"""The smallest allowed quota of a worker. A job of 24 MiB needs three workers."""

SOURCES: dict[str, bytes] = {
    "small/one.pdf": b"one",
    "small/größe.pdf": b"umlauts",
    "small/empty.pdf": b"",
    "small/notes.txt": b"not a PDF",
    "text/log.txt": "".join(
        random.Random(4).choices(string.ascii_lowercase[:9] + "\n", k=2 * MIB)
    ).encode(),
    "large/read.pdf": random.Random(5).randbytes(11 * MIB),
    "large/copied.pdf": random.Random(6).randbytes(17 * MIB),
    **{f"many/{n}.pdf": random.Random(10 + n).randbytes(4 * MIB - n) for n in range(6)},
}
"""Objects by their keys below ``PREFIX``. S3 copies bodies of 16 MiB and more."""

PREFIX = "chaos/"


@dataclass(frozen=True)
class RequestedJob:
    """A job to submit, and its expected result without faults.

    ``trigger`` is ``api`` or ``manifest``. ``body`` is the request. The job ends with ``status``
    and the error ``code``. The archive of a READY job contains ``members`` and lacks ``skipped``.
    ``is_sent_twice``: two clients send it at once. ``is_cancelled``: it is cancelled as soon as a
    worker starts it.
    """

    name: str
    trigger: str
    body: Any
    status: str = "READY"
    code: str | None = None
    members: dict[str, bytes] = field(default_factory=dict, repr=False)
    skipped: tuple[str, ...] = ()
    is_sent_twice: bool = False
    is_cancelled: bool = False


def put_sources(client: RetryingClient) -> None:
    """Upload the source objects."""
    for name, body in SOURCES.items():
        client.s3.put_object(Bucket=client.outputs["sourceBucket"], Key=PREFIX + name, Body=body)


def all_kinds_of_jobs() -> Iterator[RequestedJob]:
    """Yield one job of each kind."""
    small = ("small/one.pdf", "small/größe.pdf", "small/empty.pdf")
    many = tuple(name for name in SOURCES if name.startswith("many/"))
    read, copied, text = "large/read.pdf", "large/copied.pdf", "text/log.txt"
    missing = "small/missing.pdf"
    prefix = {"prefix": f"{PREFIX}small/", "include": ["*.pdf"]}
    many_prefix = {"prefix": f"{PREFIX}many/"}
    yield _keys_job("small", "api", *small)
    yield _keys_job("small by manifest", "manifest", *small)
    yield _keys_job("read", "manifest", read)
    yield _keys_job("copied", "api", small[0], copied)
    yield _keys_job("deflate", "manifest", text, small[0], compression="deflate")
    yield RequestedJob("segmented", "api", many_prefix, members=_members(many))
    yield RequestedJob("prefix", "api", prefix, members=_members(small), is_sent_twice=True)
    yield _keys_job("some missing", "api", missing, *small, onMissing="skip")
    yield _keys_job(
        "segmented by manifest, some missing", "manifest", *many, missing, onMissing="skip"
    )
    for name, trigger, keys in (
        ("missing", "manifest", _keys(*small, missing)),
        ("segmented and missing", "api", _keys(*many, missing)),
    ):
        yield RequestedJob(name, trigger, {"keys": keys}, "FAILED", "SOURCE_NOT_FOUND")
    yield RequestedJob("invalid", "manifest", {"kyes": []}, "FAILED", "INVALID_MANIFEST")
    yield RequestedJob(
        "cancelled", "api", many_prefix, "CANCELLED", members=_members(many), is_cancelled=True
    )


def _keys_job(name: str, trigger: str, *names: str, **fields: str) -> RequestedJob:
    existing = [name for name in names if name in SOURCES]
    skipped = tuple(name for name in names if name not in SOURCES)
    body = {"keys": _keys(*names), **fields}
    return RequestedJob(name, trigger, body, members=_members(existing), skipped=skipped)


def _keys(*names: str) -> list[str]:
    return [PREFIX + name for name in names]


def _members(names: Sequence[str]) -> dict[str, bytes]:
    return {name.rpartition("/")[2]: SOURCES[name] for name in names}
