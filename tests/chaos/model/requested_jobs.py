"""The kinds of jobs that are requested, and checks of their results."""

import io
import json
import random
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from zipjobs.archive.part_sizing import MIN_PART_BYTES
from zipjobs.archive.segment import sized
from zipjobs.jobs.job import Job
from zipjobs.s3.source import Entry, Source

ONE, TWO, GONE, BIG, MORE = "a/one.pdf", "a/two.pdf", "a/gone.pdf", "big/1.pdf", "big/2.pdf"


def _filling_a_part(key: str) -> bytes:
    """A body that makes one part, the smallest that S3 takes, together with its header."""
    name = PurePosixPath(key).name
    header_bytes = sized(Entry(name, Source("src", key, None), MIN_PART_BYTES, None)).header_bytes
    return random.Random(key).randbytes(MIN_PART_BYTES - header_bytes)


BODIES = {
    ONE: b"one",
    TWO: b"two" * 1000,
    BIG: _filling_a_part(BIG),
    MORE: random.Random(MORE).randbytes(300_000),
}

MOST_ARCHIVE_BYTES = MIN_PART_BYTES + 200_000
"""BIG fits in, and MORE does not any more."""


@dataclass(frozen=True)
class Kind:
    """A kind of request. ``keys`` are the objects that it comes to."""

    name: str
    request: dict[str, Any] | None
    keys: tuple[str, ...]

    @property
    def skips(self) -> bool:
        return self.request is not None and self.request.get("onMissing") == "skip"

    @property
    def lists(self) -> bool:
        return self.request is not None and "prefix" in self.request

    @property
    def body(self) -> str:
        return "not json" if self.request is None else json.dumps(self.request)


def _keys(name: str, *keys: str, **fields: Any) -> Kind:
    return Kind(name, {"keys": keys, **fields}, keys)


SMALL = (
    _keys("alone", ONE, TWO),
    _keys("deflated", ONE, TWO, compression="deflate"),
    _keys("missing", ONE, GONE),
    _keys("skipping", ONE, GONE, TWO, onMissing="skip"),
    _keys("nothing left", GONE, onMissing="skip"),
)
PLANNED = (
    _keys("one segment", ONE, TWO, maxArchiveBytes=MIN_PART_BYTES * 20),
    _keys("skipping, planned", ONE, GONE, TWO, onMissing="skip", maxArchiveBytes=10**9),
    _keys("missing, planned", ONE, GONE, maxArchiveBytes=10**9),
    _keys("two segments", BIG, ONE, TWO),
    Kind("two archives", {"prefix": "big/"}, (BIG, MORE)),
)
INVALID = Kind("invalid", None, ())


def kind(name: str) -> Kind:
    """The kind of that name."""
    return next(one for one in (*SMALL, *PLANNED, INVALID) if one.name == name)


class Sources:
    """The source objects, and all that they have ever been."""

    def __init__(self, s3: Any) -> None:
        self._s3 = s3
        self.versions: dict[str, list[bytes | None]] = {}

    def now(self, key: str) -> bytes | None:
        return self.versions[key][-1] if key in self.versions else None

    def need(self, key: str) -> None:
        """Put what there is at first."""
        if key not in self.versions and key in BODIES:
            self.put(key, BODIES[key])

    def put(self, key: str, body: bytes | None) -> None:
        if body is None:
            self._s3.delete_object(Bucket="src", Key=key)
        else:
            self._s3.put_object(Bucket="src", Key=key, Body=body)
        self.versions.setdefault(key, []).append(body)


@dataclass(eq=False)
class RequestedJob:
    """A job that somebody asked for.

    ``contents`` are the objects' when it was asked for. An order is ``accepted`` when its client
    was told so, ``disturbed`` when its sources changed since, and ``taken`` when there was another
    object in its place.
    """

    job_id: str
    kind: Kind
    contents: dict[str, bytes | None]
    api_event: dict[str, Any] | None = None
    manifest_key: str | None = None
    is_accepted: bool = False
    is_disturbed: bool = False
    is_taken: bool = False
    is_cancelled: bool = False
    is_given_up: bool = False
    is_verified: bool = False

    @property
    def ends(self) -> set[str]:
        """How it may end: a status or, if that is FAILED, an error's code."""
        ends = {self._end()}
        if self.is_disturbed:
            ends = {"READY", "SOURCE_CHANGED", "SOURCE_NOT_FOUND"}
        if self.is_taken:
            ends |= {"TARGET_EXISTS"}
            ends -= {"READY"}
        if self.is_cancelled:
            ends.add("CANCELLED")
        if self.is_given_up:
            ends.add("RETRIES_EXHAUSTED")
        return ends

    def _end(self) -> str:
        if self.kind.request is None:
            return "INVALID_MANIFEST"
        there = [body is not None for body in self.contents.values()]
        is_enough = any(there) if self.kind.skips or self.kind.lists else all(there)
        return "READY" if is_enough else "SOURCE_NOT_FOUND"


def archive_problems(order: RequestedJob, job: Job, s3: Any, sources: Sources) -> Iterator[str]:
    """What is not as it should be with the archives and receipts of a job that is READY."""
    entries: list[dict[str, Any]] = []
    skipped: list[dict[str, Any]] = []
    for facts in job.archives:
        found = s3.get_object(Bucket="dst", Key=facts.key)
        body = found["Body"].read()
        crc32 = f"{zlib.crc32(body):08x}"
        if (len(body), crc32, found["ETag"]) != (facts.size, facts.crc32, facts.etag):
            yield f"{facts.key} is not what the record says"
        receipt = json.load(s3.get_object(Bucket="dst", Key=facts.receipt_key)["Body"])
        if receipt["jobId"] != job.job_id or receipt["archive"] != {
            "bucket": "dst",
            "key": facts.key,
            "size": facts.size,
            "crc32": facts.crc32,
            "etag": facts.etag,
            "entries": facts.entries,
        }:
            yield f"{facts.receipt_key} is another archive's: {receipt['archive']}"
        entries += receipt["entries"]
        skipped += receipt["skipped"]
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            if len(archive.infolist()) != facts.entries:
                yield f"{facts.key} has {len(archive.infolist())} entries"
            for info, line in zip(archive.infolist(), receipt["entries"], strict=True):
                if (info.filename, f"{info.CRC:08x}") != (line["name"], line["crc32"]):
                    yield f"{info.filename} is not what the receipt says: {line}"
                content = archive.read(info)  # checks the CRC-32
                key = line["key"]
                ever = sources.versions[key] if order.is_disturbed else [order.contents[key]]
                if content not in ever:
                    yield f"{info.filename} has another content"
    yield from _wrong_lists(order, job, entries, skipped)


def _wrong_lists(
    order: RequestedJob, job: Job, entries: list[dict[str, Any]], skipped: list[dict[str, Any]]
) -> Iterator[str]:
    keys, left_out = [line["key"] for line in entries], [line["key"] for line in skipped]
    wanted = [key for key in order.kind.keys if key in keys or not order.kind.lists]
    if sorted(keys + left_out, key=order.kind.keys.index) != wanted:
        yield f"{keys} and {left_out} skipped are not {order.kind.keys}"
    if not order.is_disturbed and keys != [k for k, body in order.contents.items() if body]:
        yield f"{keys} are not what there was"
    if [line["name"] for line in entries] != [PurePosixPath(key).name for key in keys]:
        yield f"names are wrong: {entries}"
    if (job.skipped, [f"s3://src/{key}" for key in left_out]) != (
        len(job.skipped_objects),
        list(job.skipped_objects),
    ):
        yield f"{left_out} were skipped, and the record says {job.skipped_objects}"
