"""Idempotency keys: one key of a caller always identifies the same job."""

import hashlib
import uuid

from zipjobs.errors import IdempotencyKeyReused, InvalidRequest
from zipjobs.requests.schema import JobRequest

IDEMPOTENT_JOBS = uuid.UUID("b0c1c7c4-0d0e-5f0a-9a57-1f0f5f3e2d11")
"""The UUID namespace of jobs with an idempotency key. A different one would repeat old jobs."""

MAX_KEY_CHARS = 255


def idempotent_job_id(key: str, caller: str) -> str:
    """Return the ID of the job for this caller's key. Raises InvalidRequest."""
    if not (1 <= len(key) <= MAX_KEY_CHARS and key.isascii() and key.isprintable()):
        raise InvalidRequest(
            f"Idempotency-Key: use 1 to {MAX_KEY_CHARS} printable ASCII characters, such as a UUID"
        )
    return str(uuid.uuid5(IDEMPOTENT_JOBS, f"{caller}\0{key}"))


def request_json(request: JobRequest) -> bytes:
    """Return the request as canonical JSON: equal requests have equal JSON."""
    return request.model_dump_json(by_alias=True, exclude_none=True).encode()


def request_digest(request: JobRequest) -> str:
    """Return the SHA-256 of the canonical JSON, which ignores whitespace and field order."""
    return hashlib.sha256(request_json(request)).hexdigest()


def key_reused() -> IdempotencyKeyReused:
    """Return the error of a key that was used with a different request."""
    return IdempotencyKeyReused(
        "This Idempotency-Key was used with a different request. Send the original request, or use "
        "a new key."
    )
