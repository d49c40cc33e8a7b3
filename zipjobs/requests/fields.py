"""The types of a request's fields, with their limits, validators and JSON Schema keywords."""

import re
import unicodedata
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints

from zipjobs.requests.globs import translate
from zipjobs.requests.strict_json import excerpt, printable
from zipjobs.s3.target import OWNER_TAG
from zipjobs.zipformat.file_names import MAX_PATH_BYTES, MIN_PATH_UNITS

MIN_BUCKET_CHARS = 3
MAX_BUCKET_CHARS = 63
"""Characters in a bucket name ("General purpose bucket naming rules" in the S3 User Guide)."""

MAX_KEY_BYTES = 1024
"""Bytes of UTF-8 in a key ("Naming Amazon S3 objects" in the S3 User Guide)."""

MAX_PREFIX_BYTES = 900
"""Bytes of a target prefix. The other bytes of the key are for the archive's name."""

MAX_ARCHIVE_NAME_BYTES = 200
"""File systems limit a name to 255 bytes. The others are for ``-001`` and ``.receipt.json``."""

MIN_ARCHIVE_BYTES = 64 * 1024**2
MAX_MULTIPART_BYTES = 10_000 * 5 * 1024**3
"""10,000 parts of 5 GiB, the most that one multipart upload can contain ("Amazon S3 multipart
upload limits" in the S3 User Guide). A request may name sizes up to this limit. The archive itself
is limited by S3's largest object, which is slightly smaller: ``zipjobs/archive/parts/sizing.py``.
"""

MAX_VERSION_ID_CHARS = 1024
"""Characters in a version ID ("How S3 Versioning works" in the S3 User Guide)."""

MAX_TAGS = 9
"""Tags of an archive. S3 allows ten ("Categorizing your objects using tags" in the S3 User Guide);
``expiresInDays`` needs one.
"""

MAX_TAG_KEY_CHARS = 128
MAX_TAG_VALUE_CHARS = 256
"""Characters of a tag, from the same page."""

MAX_METADATA = 10
MAX_METADATA_KEY_CHARS = 64
MAX_METADATA_VALUE_CHARS = 128
"""With keys and values of these lengths, the metadata of an archive stays below S3's 2 KB ("Working
with object metadata" in the S3 User Guide)."""

_ExpiryDays = Literal[1, 7, 30, 90]
EXPIRY_DAYS: tuple[int, ...] = get_args(_ExpiryDays)
"""The days after which an archive can expire. Target buckets have a lifecycle rule for each."""

EXPIRY_TAG = "zipjobs-expires-in-days"
"""The tag of archives that a lifecycle rule of the target bucket deletes. Its value is one of
``expiresInDays``.
"""


MAX_MEMBER_NAME_CHARS = 1024
MAX_GLOB_CHARS = 1024
MAX_ETAG_CHARS = 128

_S3_SCHEME = "s3://"

_CONTROL = r"\u0000-\u001f\u007f-\u009f\u2028\u2029"
"""Control characters (Unicode category Cc) and the line and paragraph separators."""

_IS_CONTROL = re.compile(f"[{_CONTROL}]")
_TIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
    r"(T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?(Z|[+-][0-9]{2}:[0-9]{2}))?"
)
_TAG_CHARACTER = r"[^\u0000-\u001f!-*,;-<>?\[-^`{-\u009f\u2028\u2029]"
"""A letter, digit, space, or one of ``+ - = . _ : / @``. S3 decides about those beyond ASCII."""

_TAG_KEY = re.compile(f"^{_TAG_CHARACTER}{{1,{MAX_TAG_KEY_CHARS}}}$")
_TAG_VALUE = re.compile(f"^{_TAG_CHARACTER}{{0,{MAX_TAG_VALUE_CHARS}}}$")
_RESERVED_METADATA = re.compile(f"^{OWNER_TAG}$")
_RESERVED_TAG = re.compile(f"^([aA][wW][sS]:|{EXPIRY_TAG}$)")
_METADATA_KEY = re.compile(rf"^[a-z0-9][a-z0-9._-]{{0,{MAX_METADATA_KEY_CHARS - 1}}}$")
_METADATA_VALUE = re.compile(rf"^([!-~]([ -~]{{0,{MAX_METADATA_VALUE_CHARS - 2}}}[!-~])?)?$")
"""S3 keeps metadata in HTTP headers: printable ASCII without spaces at its ends."""

_DOT_SEGMENT = re.compile(r"(^|/)\.{1,2}(/|$)")


def _key(key: str) -> str:
    if len(key.encode()) > MAX_KEY_BYTES:
        raise ValueError(f"a key can have at most {MAX_KEY_BYTES:,} bytes of UTF-8")
    return key


def _without_control(text: str) -> str:
    if found := _IS_CONTROL.search(text):
        raise ValueError(f"remove the control character U+{ord(found[0]):04X}")
    return text


def _target_prefix(prefix: str) -> str:
    if _DOT_SEGMENT.search(prefix):
        raise ValueError('"." and ".." are not folders in S3: use folder names only')
    if len(prefix.encode()) > MAX_PREFIX_BYTES:
        raise ValueError(f"a prefix can have at most {MAX_PREFIX_BYTES:,} bytes of UTF-8")
    return prefix


def _whole(number: Any) -> Any:
    """Convert a float such as ``1e9`` or ``1.0``, which JSON Schema accepts as an integer."""
    return int(number) if isinstance(number, float) and number.is_integer() else number


def _archive_name(name: str) -> str:
    if "/" in name or "\\" in name:
        raise ValueError("a file name must not contain / or \\: put folders into targetPrefix")
    if len(unicodedata.normalize("NFC", name).encode()) > MAX_ARCHIVE_NAME_BYTES:
        raise ValueError(f"an archive name has at most {MAX_ARCHIVE_NAME_BYTES} bytes of UTF-8")
    return name


def parse_time(text: str) -> datetime:
    """Return a date, at midnight UTC, or a time with a time zone. Raises ValueError."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text} is not a date or time of the calendar") from None
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def _time(text: str) -> str:
    if not _TIME.fullmatch(text):
        raise ValueError("use a date such as 2026-07-01, or a time such as 2026-07-01T08:30:00Z")
    parse_time(text)
    return text


def _tags(tags: dict[str, str]) -> dict[str, str]:
    for key, value in tags.items():
        if _RESERVED_TAG.search(key):
            raise ValueError(f"aws: and {EXPIRY_TAG} are reserved: use another key")
        if not (_TAG_KEY.fullmatch(key) and _TAG_VALUE.fullmatch(value)):
            raise ValueError(
                f"{printable(excerpt(key))}: use letters, digits, spaces and + - = . _ : / @, up "
                f"to {MAX_TAG_KEY_CHARS} characters in a key and {MAX_TAG_VALUE_CHARS} in a value"
            )
    return tags


def _metadata(metadata: dict[str, str]) -> dict[str, str]:
    for key, value in metadata.items():
        if _RESERVED_METADATA.search(key):
            raise ValueError(f"{OWNER_TAG} is reserved: use another key")
        if not _METADATA_KEY.fullmatch(key):
            raise ValueError(
                f"{printable(excerpt(key))}: use lower-case letters, digits and . _ - in keys, up "
                f"to {MAX_METADATA_KEY_CHARS} characters"
            )
        if not _METADATA_VALUE.fullmatch(value):
            raise ValueError(
                f"{key}: use printable ASCII without spaces at the ends in values, up to "
                f"{MAX_METADATA_VALUE_CHARS} characters"
            )
    return metadata


def _days(days: Any) -> Any:
    """Convert a float such as ``7.0``. Refuse True, which is equal to 1."""
    return str(days) if isinstance(days, bool) else _whole(days)


def _glob(glob: str) -> str:
    translate(glob)
    return glob


def split_s3_url(url: str) -> tuple[str, str]:
    """Return the bucket and key of ``s3://bucket/key``. Raises ValueError."""
    bucket, _, key = url.removeprefix(_S3_SCHEME).partition("/")
    if not (
        url.startswith(_S3_SCHEME) and MIN_BUCKET_CHARS <= len(bucket) <= MAX_BUCKET_CHARS and key
    ):
        raise ValueError("use the form s3://bucket/key")
    return bucket, _key(key)


def _s3_url(url: str) -> str:
    split_s3_url(url)
    return url


def _schema(**keywords: Any) -> Any:
    """Return keywords for the JSON Schema only. A validator checks them with a better message."""
    return Field(json_schema_extra=keywords)


# These values are sent to S3 in headers and paths, so line breaks and spaces are not accepted.
BucketName = Annotated[
    str,
    StringConstraints(
        min_length=MIN_BUCKET_CHARS, max_length=MAX_BUCKET_CHARS, pattern=r"^[A-Za-z0-9._-]+$"
    ),
]
VersionId = Annotated[
    str, StringConstraints(min_length=1, max_length=MAX_VERSION_ID_CHARS, pattern=r"^[!-~]+$")
]
ETag = Annotated[
    str, StringConstraints(min_length=1, max_length=MAX_ETAG_CHARS, pattern=r'^"?[!#-~]+"?$')
]
"""An ETag with or without quotes (RFC 9110, 8.8.3)."""

Key = Annotated[
    str, StringConstraints(min_length=1, max_length=MAX_KEY_BYTES), AfterValidator(_key)
]
KeyPrefix = Annotated[str, StringConstraints(max_length=MAX_KEY_BYTES), AfterValidator(_key)]
TargetPrefix = Annotated[
    str,
    StringConstraints(max_length=MAX_PREFIX_BYTES),
    AfterValidator(_without_control),
    AfterValidator(_target_prefix),
    _schema(**{"not": {"pattern": f"[{_CONTROL}]|{_DOT_SEGMENT.pattern}"}}),
]
ArchiveName = Annotated[
    str,
    StringConstraints(min_length=1, max_length=MAX_ARCHIVE_NAME_BYTES),
    AfterValidator(_without_control),
    AfterValidator(_archive_name),
    _schema(pattern=r"^[^/\\]+$", **{"not": {"pattern": f"[{_CONTROL}]"}}),
]
MemberName = Annotated[str, StringConstraints(min_length=1, max_length=MAX_MEMBER_NAME_CHARS)]
Glob = Annotated[
    str, StringConstraints(min_length=1, max_length=MAX_GLOB_CHARS), AfterValidator(_glob)
]
Time = Annotated[
    str,
    AfterValidator(_time),
    _schema(pattern=f"^{_TIME.pattern}$"),
]
"""A date, or a time with a time zone, of RFC 3339."""

ObjectBytes = Annotated[int, Field(ge=0, le=MAX_MULTIPART_BYTES), BeforeValidator(_whole)]
ArchiveBytes = Annotated[
    int, Field(ge=MIN_ARCHIVE_BYTES, le=MAX_MULTIPART_BYTES), BeforeValidator(_whole)
]
Tags = Annotated[
    dict[str, str],
    Field(max_length=MAX_TAGS),
    AfterValidator(_tags),
    _schema(
        propertyNames={"pattern": _TAG_KEY.pattern, "not": {"pattern": _RESERVED_TAG.pattern}},
        additionalProperties={"type": "string", "pattern": _TAG_VALUE.pattern},
    ),
]
Metadata = Annotated[
    dict[str, str],
    Field(max_length=MAX_METADATA),
    AfterValidator(_metadata),
    _schema(
        propertyNames={
            "pattern": _METADATA_KEY.pattern,
            "not": {"pattern": _RESERVED_METADATA.pattern},
        },
        additionalProperties={"type": "string", "pattern": _METADATA_VALUE.pattern},
    ),
]
ExpiresInDays = Annotated[_ExpiryDays, BeforeValidator(_days)]
PathUnits = Annotated[int, Field(ge=MIN_PATH_UNITS, le=MAX_PATH_BYTES), BeforeValidator(_whole)]
S3Url = Annotated[
    str,
    StringConstraints(max_length=len(_S3_SCHEME) + MAX_BUCKET_CHARS + 1 + MAX_KEY_BYTES),
    AfterValidator(_s3_url),
    _schema(pattern=rf"^{_S3_SCHEME}[^/]{{{MIN_BUCKET_CHARS},{MAX_BUCKET_CHARS}}}/[\s\S]+$"),
]


class Compression(StrEnum):
    """The compression of members: none, or deflate if it makes them smaller."""

    STORE = "store"
    DEFLATE = "deflate"


class StorageClass(StrEnum):
    """The storage classes of archives. Objects in other classes cannot be downloaded at once."""

    STANDARD = "STANDARD"
    INTELLIGENT_TIERING = "INTELLIGENT_TIERING"
    STANDARD_IA = "STANDARD_IA"
    ONEZONE_IA = "ONEZONE_IA"
    GLACIER_IR = "GLACIER_IR"


class RequestPayer(StrEnum):
    """Who pays for reading the objects, if their bucket is a Requester Pays bucket."""

    REQUESTER = "requester"


class OnMissing(StrEnum):
    """The reaction to an object that does not exist."""

    FAIL = "fail"
    SKIP = "skip"


class OnUnreadable(StrEnum):
    """The reaction to an object that exists but cannot be read."""

    FAIL = "fail"
    SKIP = "skip"


class EmptyFolders(StrEnum):
    """What happens to folders without files."""

    DROP = "drop"
    KEEP = "keep"


class Naming(StrEnum):
    """The name of a member: the last component of its key, the whole key, or the key relative to
    the folder of the prefix.
    """

    BASENAME = "basename"
    PATH = "path"
    RELATIVE = "relative"


class OnDuplicate(StrEnum):
    """The reaction to two members with the same name."""

    SUFFIX = "suffix"
    FAIL = "fail"
