"""The jobs that a run requests, and their expected outcomes."""

import random
import string
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.chaos.random_faults.client import RetryingClient

MIB = 1024 * 1024

SEGMENT_MIB = 8
"""The least that a worker may be given: jobs of 24 MiB are three workers' shares."""

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

PREFIX = "storm/"


@dataclass(frozen=True)
class RequestedJob:
    """A job that somebody wants. ``trigger`` is ``api`` or ``manifest``.

    ``body`` is what is sent. Without faults it ends with ``status`` and ``code``; if READY, its
    archive has ``members`` and leaves ``skipped`` out. ``doubled``: it is sent twice at once;
    ``cancelled``: it is cancelled as soon as somebody works on it.
    """

    name: str
    trigger: str
    body: Any
    status: str = "READY"
    code: str | None = None
    members: dict[str, bytes] = field(default_factory=dict, repr=False)
    skipped: tuple[str, ...] = ()
    doubled: bool = False
    cancelled: bool = False


def put_sources(client: RetryingClient) -> None:
    """Upload what ``orders`` asks for."""
    for name, body in SOURCES.items():
        client.s3.put_object(Bucket=client.outputs["sourceBucket"], Key=PREFIX + name, Body=body)


def orders() -> Iterator[RequestedJob]:
    """One of each kind."""
    small = ("small/one.pdf", "small/größe.pdf", "small/empty.pdf")
    many = tuple(name for name in SOURCES if name.startswith("many/"))
    gone = "small/gone.pdf"
    yield RequestedJob("small", "api", {"keys": _keys(*small)}, members=_members(*small))
    yield RequestedJob(
        "small by manifest", "manifest", {"keys": _keys(*small)}, members=_members(*small)
    )
    yield RequestedJob(
        "read", "manifest", {"keys": _keys("large/read.pdf")}, members=_members("large/read.pdf")
    )
    copied = ("small/one.pdf", "large/copied.pdf")
    yield RequestedJob("copied", "api", {"keys": _keys(*copied)}, members=_members(*copied))
    yield RequestedJob("planned", "api", {"prefix": f"{PREFIX}many/"}, members=_members(*many))
    yield RequestedJob(
        "planned by manifest, some missing",
        "manifest",
        {"keys": _keys(*many, gone), "onMissing": "skip"},
        members=_members(*many),
        skipped=(gone,),
    )
    yield RequestedJob(
        "prefix",
        "api",
        {"prefix": f"{PREFIX}small/", "include": ["*.pdf"]},
        members=_members(*sorted(small, key=lambda name: name.encode())),
        doubled=True,
    )
    yield RequestedJob(
        "some missing",
        "api",
        {"keys": _keys(gone, *small), "onMissing": "skip"},
        members=_members(*small),
        skipped=(gone,),
    )
    yield RequestedJob(
        "deflate",
        "manifest",
        {"keys": _keys("text/log.txt", "small/one.pdf"), "compression": "deflate"},
        members=_members("text/log.txt", "small/one.pdf"),
    )
    yield RequestedJob(
        "missing", "manifest", {"keys": _keys(*small, gone)}, "FAILED", code="SOURCE_NOT_FOUND"
    )
    yield RequestedJob(
        "planned and missing",
        "api",
        {"keys": _keys(*many, gone)},
        "FAILED",
        code="SOURCE_NOT_FOUND",
    )
    yield RequestedJob("nonsense", "manifest", {"kyes": []}, "FAILED", code="INVALID_MANIFEST")
    yield RequestedJob(
        "cancelled",
        "api",
        {"prefix": f"{PREFIX}many/"},
        "CANCELLED",
        members=_members(*many),
        cancelled=True,
    )


def _keys(*names: str) -> list[str]:
    return [PREFIX + name for name in names]


def _members(*names: str) -> dict[str, bytes]:
    return {name.rpartition("/")[2]: SOURCES[name] for name in names}
