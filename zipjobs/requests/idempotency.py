"""Idempotency keys: the same key always means the same job."""

import hashlib
import uuid

from zipjobs.errors import IdempotencyKeyReused, InvalidRequest
from zipjobs.requests.schema import JobRequest

IDEMPOTENT_JOBS = uuid.UUID("b0c1c7c4-0d0e-5f0a-9a57-1f0f5f3e2d11")
"""Namespace of the ids of jobs that came with a key. Changing it would repeat old jobs."""

MAX_KEY_CHARS = 255


def idempotent_job_id(key: str, caller: str) -> str:
    """The id of the job of ``key``; each caller has keys of its own. Raises InvalidRequest."""
    if not (1 <= len(key) <= MAX_KEY_CHARS and key.isascii() and key.isprintable()):
        raise InvalidRequest(
            f"Idempotency-Key: 1 to {MAX_KEY_CHARS} printable ASCII characters, such as a UUID"
        )
    return str(uuid.uuid5(IDEMPOTENT_JOBS, f"{caller}\0{key}"))


def request_json(request: JobRequest) -> bytes:
    """The request, always written the same way."""
    return request.model_dump_json(by_alias=True, exclude_none=True).encode()


def request_digest(request: JobRequest) -> str:
    """What tells one request from another, whatever spaces or order it was written in."""
    return hashlib.sha256(request_json(request)).hexdigest()


def key_reused() -> IdempotencyKeyReused:
    """The error of a key that comes with another request than before."""
    return IdempotencyKeyReused(
        "This Idempotency-Key came with another request before. Send that request again, or use "
        "a new key."
    )
