"""The one request schema: a REST body and a manifest are the same JSON."""

from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, ConfigDict, Field, StringConstraints, ValidationError

from zipjobs.errors import InvalidRequest
from zipjobs.jobs.model import Model

MAX_REQUEST_BYTES = 16 * 1024 * 1024
"""Of a manifest. A REST body is cut off at 6 MB by Lambda's payload limit already."""

MAX_REPORTED_ERRORS = 5

_UTF8_BOM = b"\xef\xbb\xbf"

BucketName = Annotated[str, StringConstraints(min_length=3, max_length=63)]
MAX_KEY_BYTES = 1024
"""Of UTF-8: "Naming Amazon S3 objects" in the S3 User Guide."""


MAX_PREFIX_BYTES = 900
"""The rest of a key's bytes is for the archive's name."""


def _key(key: str) -> str:
    if len(key.encode()) > MAX_KEY_BYTES:
        raise ValueError(f"a key has at most {MAX_KEY_BYTES:,} bytes of UTF-8")
    return key


def _prefix(prefix: str) -> str:
    if len(prefix.encode()) > MAX_PREFIX_BYTES:
        raise ValueError(f"a prefix has at most {MAX_PREFIX_BYTES:,} bytes of UTF-8")
    return prefix


Prefix = Annotated[str, AfterValidator(_prefix)]
Key = Annotated[str, StringConstraints(min_length=1), AfterValidator(_key)]


class Compression(StrEnum):
    """How members are kept: as they are, or deflated where that makes them smaller."""

    STORE = "store"
    DEFLATE = "deflate"


class JobRequest(Model):
    """What a client asks for. Everything but ``keys`` has a configured default."""

    model_config = ConfigDict(extra="forbid", strict=True)

    source_bucket: BucketName | None = None
    target_bucket: BucketName | None = None
    target_prefix: Prefix | None = None
    compression: Compression = Compression.STORE
    keys: Annotated[tuple[Key, ...], Field(min_length=1, strict=False)]


def parse_request(data: bytes) -> JobRequest:
    """Validate ``data`` as a request in JSON.

    Raises InvalidRequest with every field that is wrong, up to ``MAX_REPORTED_ERRORS``.
    """
    if len(data) > MAX_REQUEST_BYTES:
        raise InvalidRequest(
            f"The request has {len(data):,} bytes; the limit is {MAX_REQUEST_BYTES:,}. "
            "Split it into several jobs."
        )
    try:
        return JobRequest.model_validate_json(data.removeprefix(_UTF8_BOM))
    except ValidationError as error:
        raise InvalidRequest(_describe(error)) from error


def _describe(error: ValidationError) -> str:
    problems = error.errors(include_url=False, include_input=False, include_context=False)
    lines = [
        f"{'.'.join(str(step) for step in problem['loc'])}: {problem['msg']}".removeprefix(": ")
        for problem in problems[:MAX_REPORTED_ERRORS]
    ]
    if len(problems) > MAX_REPORTED_ERRORS:
        lines.append(f"and {len(problems) - MAX_REPORTED_ERRORS} more")
    return "; ".join(lines)
