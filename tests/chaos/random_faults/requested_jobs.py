"""The jobs that a run requests, and their expected outcomes."""

import random
import string
from collections.abc import Iterator
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
    missing = "small/missing.pdf"
    yield RequestedJob("small", "api", {"keys": _keys(*small)}, members=_members(*small))
    yield RequestedJob(
        "small by manifest", "manifest", {"keys": _keys(*small)}, members=_members(*small)
    )
    yield RequestedJob(
        "read", "manifest", {"keys": _keys("large/read.pdf")}, members=_members("large/read.pdf")
    )
    copied = ("small/one.pdf", "large/copied.pdf")
    yield RequestedJob("copied", "api", {"keys": _keys(*copied)}, members=_members(*copied))
    yield RequestedJob("segmented", "api", {"prefix": f"{PREFIX}many/"}, members=_members(*many))
    yield RequestedJob(
        "segmented by manifest, some missing",
        "manifest",
        {"keys": _keys(*many, missing), "onMissing": "skip"},
        members=_members(*many),
        skipped=(missing,),
    )
    yield RequestedJob(
        "prefix",
        "api",
        {"prefix": f"{PREFIX}small/", "include": ["*.pdf"]},
        members=_members(*sorted(small, key=lambda name: name.encode())),
        is_sent_twice=True,
    )
    yield RequestedJob(
        "some missing",
        "api",
        {"keys": _keys(missing, *small), "onMissing": "skip"},
        members=_members(*small),
        skipped=(missing,),
    )
    yield RequestedJob(
        "deflate",
        "manifest",
        {"keys": _keys("text/log.txt", "small/one.pdf"), "compression": "deflate"},
        members=_members("text/log.txt", "small/one.pdf"),
    )
    yield RequestedJob(
        "missing", "manifest", {"keys": _keys(*small, missing)}, "FAILED", code="SOURCE_NOT_FOUND"
    )
    yield RequestedJob(
        "segmented and missing",
        "api",
        {"keys": _keys(*many, missing)},
        "FAILED",
        code="SOURCE_NOT_FOUND",
    )
    yield RequestedJob(
        "invalid manifest", "manifest", {"kyes": []}, "FAILED", code="INVALID_MANIFEST"
    )
    yield RequestedJob(
        "cancelled",
        "api",
        {"prefix": f"{PREFIX}many/"},
        "CANCELLED",
        members=_members(*many),
        is_cancelled=True,
    )


def _keys(*names: str) -> list[str]:
    return [PREFIX + name for name in names]


def _members(*names: str) -> dict[str, bytes]:
    return {name.rpartition("/")[2]: SOURCES[name] for name in names}
