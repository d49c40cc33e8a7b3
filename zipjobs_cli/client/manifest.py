"""Upload a manifest to S3, which starts a job."""

from dataclasses import dataclass
from typing import Any

from zipjobs_cli.client.api import to_json
from zipjobs_cli.client.stack import Stack
from zipjobs_cli.errors import CliError

NULL_VERSION = "null"
"""The version ID of objects in a bucket with suspended versioning."""


@dataclass(frozen=True)
class UploadedManifest:
    """A manifest in S3. Without versioning, ``version_id`` and ``job_id`` are None."""

    bucket: str
    key: str
    version_id: str | None
    job_id: str | None


def upload_manifest(stack: Stack, name: str, request: dict[str, Any]) -> UploadedManifest:
    """Upload ``request`` as ``name`` or ``name.json`` under the manifest prefix.

    Raises CliError if the request is invalid, and the exceptions of boto3.
    """
    from zipjobs.errors import InvalidRequest
    from zipjobs.jobs.messages import manifest_job_id
    from zipjobs.requests.schema import parse_request

    body = to_json(request)
    try:
        parse_request(body)
    except InvalidRequest as error:
        raise CliError(f"The request is invalid. {error}") from error
    bucket, prefix = stack.require("manifest_bucket"), stack.require("manifest_prefix")
    key = prefix + (name if name.endswith(".json") else f"{name}.json")
    response = stack.client("s3").put_object(
        Bucket=bucket, Key=key, Body=body, ContentType="application/json"
    )
    version_id = response.get("VersionId")
    if version_id in (None, NULL_VERSION):
        return UploadedManifest(bucket, key, None, None)
    job_id = manifest_job_id(bucket, key, version_id, "", "")
    return UploadedManifest(bucket, key, version_id, job_id)
