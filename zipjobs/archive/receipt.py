"""The key of a receipt, and its lines: the source of an entry and what was written."""

import json

from zipjobs.s3.source import ObjectVersion, SkippedEntry

_encode = json.JSONEncoder(ensure_ascii=False).encode  # json.dumps creates an encoder per call


def receipt_key(archive_key: str) -> str:
    """Return the key of an archive's receipt."""
    return f"{archive_key.removesuffix('.zip')}.receipt.json"


def entry_line(name: str, pinned: ObjectVersion, crc32: int) -> bytes:
    """Return an entry as a line of JSON. ``size`` and ``crc32`` are those of the object."""
    source = pinned.source
    line = {
        "name": name,
        "bucket": source.bucket,
        "key": source.key,
        "versionId": pinned.version_id,
        "etag": pinned.etag,
        "size": pinned.size,
        "crc32": f"{crc32:08x}",
    }
    return _encode(line).encode()


def skipped_line(skipped: SkippedEntry) -> bytes:
    """Return the line of a skipped entry. ``reason`` is the error code of its object."""
    entry, source = skipped.entry, skipped.entry.source
    line = {
        "name": entry.name,
        "bucket": source.bucket,
        "key": source.key,
        "versionId": source.version_id,
        "reason": skipped.code,
    }
    return _encode(line).encode()
