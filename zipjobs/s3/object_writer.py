"""Writes objects that are generated while they are uploaded.

Each request has its CRC-32 in a header: buckets with a default retention (Object Lock) need that,
and a trailing checksum is not enough for their parts.
"""

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import TYPE_CHECKING, Any

from isal.isal_zlib import crc32

from zipjobs.s3.source import NULL_VERSION
from zipjobs.s3.target import Target
from zipjobs.zipformat.crc32 import encode

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

PART_BYTES = 8 * 1024 * 1024
"""Bytes per request, held in memory. S3's limit of 10,000 parts allows 84 GB."""


def write_object(
    s3: "S3Client", target: Target, content_type: str, pieces: Iterable[bytes]
) -> str | None:
    """Write ``pieces`` as one object with the attributes of the target.

    Returns its version ID, or None unless the bucket keeps versions. Raises botocore's errors,
    after which no incomplete upload is left.
    """
    address: Any = {"Bucket": target.bucket, "Key": target.key}
    options: Any = {"ContentType": content_type, **target.attributes}
    parts = _parts(pieces)
    first = next(parts, b"")
    second = next(parts, None)
    if second is None:
        return _version(s3.put_object(**address, **options, Body=first, **_checksum(first)))
    created = s3.create_multipart_upload(**address, **options, ChecksumAlgorithm="CRC32")
    address["UploadId"] = created["UploadId"]
    try:
        stored: list[Any] = []
        for number, part in enumerate(chain((first, second), parts), start=1):
            checksum = _checksum(part)
            answer = s3.upload_part(**address, PartNumber=number, Body=part, **checksum)
            stored.append({"PartNumber": number, "ETag": answer["ETag"], **checksum})
        completed = s3.complete_multipart_upload(**address, MultipartUpload={"Parts": stored})
    except BaseException:
        s3.abort_multipart_upload(**address)
        raise
    return _version(completed)


def _parts(pieces: Iterable[bytes]) -> Iterator[bytes]:
    buffer = bytearray()
    for piece in pieces:
        buffer += piece
        while len(buffer) >= PART_BYTES:
            yield bytes(buffer[:PART_BYTES])
            del buffer[:PART_BYTES]
    if buffer:
        yield bytes(buffer)


def _version(response: Any) -> str | None:
    version_id: str | None = response.get("VersionId")
    return None if version_id == NULL_VERSION else version_id


def _checksum(data: bytes) -> dict[str, Any]:
    return {"ChecksumCRC32": encode(crc32(data))}
