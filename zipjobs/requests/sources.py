"""The objects to zip: from the request, from a prefix of a bucket, or from a list in S3.

Prefixes and lists are streamed, so memory does not depend on their length.
"""

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import chain
from math import inf
from typing import TYPE_CHECKING, Protocol

from pydantic import ValidationError

from zipjobs.errors import InvalidManifest, InvalidRequest
from zipjobs.model import Model
from zipjobs.requests.fields import parse_time, split_s3_url
from zipjobs.requests.globs import matcher
from zipjobs.requests.lists.formats import (
    MAX_COLUMNS,
    Row,
    inventory_rows,
    is_inventory_manifest,
    rows_of,
)
from zipjobs.requests.lists.lines import Lines, ReadLimit
from zipjobs.requests.schema import MAX_REQUEST_BYTES, JobRequest
from zipjobs.requests.strict_json import precheck
from zipjobs.requests.validation_errors import format_errors
from zipjobs.s3.errors import source_errors
from zipjobs.s3.ranged_file import ObjectFile
from zipjobs.s3.source import Source

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import ObjectTypeDef

ARCHIVED = ("GLACIER", "DEEP_ARCHIVE")
"""Storage classes whose objects must be restored before they can be read."""


def _filter(request: JobRequest, prefix_chars: int) -> Callable[["ObjectTypeDef"], bool]:
    """Return a function that tests objects of a listing against the filters of a request."""
    is_wanted = matcher(request.include, request.exclude)
    after = parse_time(request.modified_after) if request.modified_after else _FIRST_TIME
    before = parse_time(request.modified_before) if request.modified_before else None
    smallest = request.min_bytes or 0
    largest = inf if request.max_bytes is None else request.max_bytes

    def matches(item: "ObjectTypeDef") -> bool:
        return (
            smallest <= item["Size"] <= largest
            and after <= item["LastModified"]
            and (before is None or item["LastModified"] < before)
            and is_wanted(item["Key"][prefix_chars:])
        )

    return matches


_FIRST_TIME = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class SourceObject:
    """One object to zip, as the request, prefix or list names it.

    ``size`` is in bytes, and ``etag`` has quotes. If both are set, the object must still match them
    when it is read.
    """

    bucket: str
    key: str
    version_id: str | None = None
    name: str | None = None
    size: int | None = None
    etag: str | None = None
    requester_pays: bool = False

    @property
    def source(self) -> Source:
        """The object in S3."""
        return Source(self.bucket, self.key, self.version_id, self.requester_pays)


class _InventoryFile(Model):
    key: str


class _Inventory(Model):
    """The ``manifest.json`` of an inventory ("Inventory manifest" in the S3 User Guide)."""

    destination_bucket: str
    file_format: str
    file_schema: str
    files: tuple[_InventoryFile, ...]

    @property
    def columns(self) -> list[str]:
        """The columns of the data files."""
        return [column.strip() for column in self.file_schema.split(",")]


class SourceAllowList(Protocol):
    """Decides which objects may be read."""

    def require_source(self, bucket: str, key: str, field: str) -> None:
        """Raise NotAllowed unless ``key`` may be read. The message starts with ``field``."""


class SourceReader:
    """Finds the objects of requests."""

    def __init__(self, s3: "S3Client", allow_list: SourceAllowList) -> None:
        self._s3 = s3
        self._allow_list = allow_list

    def read(
        self,
        request: JobRequest,
        source_bucket: str,
        check: Callable[[], None] = lambda: None,
    ) -> Iterator[SourceObject]:
        """Yield the objects of ``request`` in the order of its list.

        ``request`` must have passed the allow-list. ``source_bucket`` is the bucket of objects that
        do not name one. ``check`` is called for each key of a prefix and each line of a list, and
        stops reading if it raises. Raises InvalidRequest if nothing matches a prefix;
        InvalidManifest and NotAllowed with a line of the list; ListTooLarge; SourceNotFound,
        SourceForbidden, SourceArchived and SourceChanged for the list; and ServiceUnavailable.
        """
        found = self._read(request, source_bucket, check)
        if request.request_payer is None:
            return found
        return (replace(one, requester_pays=True) for one in found)

    def _read(
        self, request: JobRequest, source_bucket: str, check: Callable[[], None]
    ) -> Iterator[SourceObject]:
        if request.prefix is not None:
            return self._below(source_bucket, request.prefix, request, check)
        if request.entries_from is not None:
            listed = self._listed(request, request.entries_from, source_bucket, check)
            return _not_empty(listed, request.entries_from)
        return chain(
            (SourceObject(source_bucket, key) for key in request.keys),
            (
                SourceObject(entry.bucket or source_bucket, entry.key, entry.version_id, entry.name)
                for entry in request.entries
            ),
        )

    def _below(
        self, bucket: str, prefix: str, request: JobRequest, check: Callable[[], None]
    ) -> Iterator[SourceObject]:
        """Yield the objects whose keys start with ``prefix``."""
        where = _source(request, bucket, prefix)
        is_wanted = _filter(request, len(prefix))
        found = False
        pages = self._s3.get_paginator("list_objects_v2").paginate(
            Bucket=bucket, Prefix=prefix, **where.payer
        )
        with source_errors(where, "s3:ListBucket on the bucket"):
            for item in chain.from_iterable(page.get("Contents", []) for page in pages):
                check()
                key, size = item["Key"], item["Size"]
                if is_wanted(item):
                    found = True
                    if item.get("StorageClass") in ARCHIVED and size:
                        yield SourceObject(bucket, key)  # it may be restored: the size probe checks
                    else:
                        yield SourceObject(bucket, key, size=size, etag=_quoted(item["ETag"]))
        if not found:
            raise InvalidRequest(
                f"prefix: nothing matched: no object below {where} matches "
                f"{' and '.join(request.filters)}."
                if request.filters
                else f"prefix: nothing matched: no object has a key below {where}."
            )

    def _listed(
        self, request: JobRequest, url: str, source_bucket: str, check: Callable[[], None]
    ) -> Iterator[SourceObject]:
        """Yield the objects of a list, or of the data files of an inventory."""
        bucket, key = split_s3_url(url)
        limit = ReadLimit(check)
        lines = Lines(self._s3, _source(request, bucket, key), limit)
        if is_inventory_manifest(lines):
            manifest = self._inventory_manifest(_source(request, bucket, key))
            data_bucket = manifest.destination_bucket.rpartition(":")[2]
            for file in manifest.files:
                self._allow_list.require_source(data_bucket, file.key, url)
            for file in manifest.files:
                lines = Lines(self._s3, _source(request, data_bucket, file.key), limit)
                for row in inventory_rows(lines, manifest.columns):
                    yield self._source_object(row, row.bucket or source_bucket, lines)
        else:
            for row in rows_of(lines, keys_url_encoded=request.keys_url_encoded):
                yield self._source_object(row, row.bucket or source_bucket, lines)

    def _inventory_manifest(self, where: Source) -> _Inventory:
        data = io.BufferedReader(ObjectFile(self._s3, where)).read(MAX_REQUEST_BYTES + 1)
        if len(data) > MAX_REQUEST_BYTES:
            raise InvalidManifest(f"{where} has more than {MAX_REQUEST_BYTES:,} bytes")
        try:
            precheck(data)
            manifest = _Inventory.model_validate_json(data)
        except InvalidRequest as error:
            raise InvalidManifest(f"{where}: {error}") from error
        except ValidationError as error:
            raise InvalidManifest(
                f"{where} was read as the manifest.json of an S3 Inventory, because it is one JSON "
                f"object: {format_errors(error)}"
            ) from error
        if manifest.file_format != "CSV":
            raise InvalidManifest(
                f"{where}: fileFormat is {manifest.file_format}. Configure the inventory's output "
                "format as CSV."
            )
        if not {"Bucket", "Key"} <= set(manifest.columns):
            raise InvalidManifest(f"{where}: fileSchema must contain Bucket and Key")
        if len(manifest.columns) > MAX_COLUMNS:
            raise InvalidManifest(f"{where}: fileSchema has more than {MAX_COLUMNS} columns")
        return manifest

    def _source_object(self, row: Row, bucket: str, lines: Lines) -> SourceObject:
        self._allow_list.require_source(bucket, row.key, lines.location)
        return SourceObject(bucket, row.key, row.version_id, row.name, row.size, _quoted(row.etag))


def _source(request: JobRequest, bucket: str, key: str) -> Source:
    return Source(bucket, key, requester_pays=request.request_payer is not None)


def _not_empty(objects: Iterator[SourceObject], where: str) -> Iterator[SourceObject]:
    """Yield ``objects``. Raises InvalidManifest if there are none."""
    first = next(objects, None)
    if first is None:
        raise InvalidManifest(f"{where}: nothing matched: the list is empty.")
    yield first
    yield from objects


def _quoted(etag: str | None) -> str | None:
    bare = (etag or "").strip('"')
    return f'"{bare}"' if bare else None
