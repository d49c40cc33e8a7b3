"""Drops a manifest into S3, which starts a job."""

from dataclasses import dataclass
from typing import Any

from zipjobs_cli.client.api import to_json
from zipjobs_cli.client.stack import Stack
from zipjobs_cli.errors import CliError

UNVERSIONED = "null"
"""The version of an object of a bucket whose versioning is suspended."""


@dataclass(frozen=True)
class Dropped:
    """A manifest in S3. The job has an id that is known if the bucket keeps versions."""

    bucket: str
    key: str
    version_id: str | None
    job_id: str | None


def drop(stack: Stack, name: str, request: dict[str, Any]) -> Dropped:
    """Put ``request`` below the manifest prefix, as ``name`` or ``name.json``.

    Raises CliError if it is no valid request, and what boto3 raises.
    """
    from zipjobs.errors import InvalidRequest
    from zipjobs.jobs.messages import manifest_job_id
    from zipjobs.requests.schema import parse_request

    body = to_json(request)
    try:
        parse_request(body)
    except InvalidRequest as error:
        raise CliError(f"The request is wrong. {error}") from error
    bucket, prefix = stack.need("manifest_bucket"), stack.need("manifest_prefix")
    key = prefix + (name if name.endswith(".json") else f"{name}.json")
    answer = stack.client("s3").put_object(
        Bucket=bucket, Key=key, Body=body, ContentType="application/json"
    )
    version_id = answer.get("VersionId")
    if version_id in (None, UNVERSIONED):
        return Dropped(bucket, key, None, None)
    return Dropped(bucket, key, version_id, manifest_job_id(bucket, key, version_id, "", ""))
