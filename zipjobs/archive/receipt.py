"""Where receipts stand, and what they say of an entry: its source, and what the archive has."""

import json

from zipjobs.s3.source import Entry, ObjectVersion

_encode = json.JSONEncoder(ensure_ascii=False).encode  # json.dumps would make one for each line


def receipt_key(archive_key: str) -> str:
    """Where the receipt of an archive stands."""
    return f"{archive_key.removesuffix('.zip')}.receipt.json"


def entry_line(name: str, pinned: ObjectVersion, crc32: int) -> bytes:
    """An entry as JSON on one line. ``size`` and ``crc32`` are those of the object's bytes."""
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


def missing_line(entry: Entry) -> bytes:
    """An entry that was skipped, for its object does not exist."""
    source = entry.source
    line = {
        "name": entry.name,
        "bucket": source.bucket,
        "key": source.key,
        "versionId": source.version_id,
    }
    return _encode(line).encode()
