"""The list of what to zip stands in S3: a manifest where it was dropped, a REST body where we put
it. A job's record and its message only point at it.
"""

from typing import TYPE_CHECKING, NotRequired, TypedDict

from botocore.exceptions import BotoCoreError, ClientError

from zipjobs.errors import InvalidManifest, InvalidRequest, ServiceUnavailable, aws_error_code
from zipjobs.jobs.job import ObjectRef
from zipjobs.jobs.request import MAX_REQUEST_BYTES, JobRequest, parse_request

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


class _Address(TypedDict):
    Bucket: str
    Key: str
    VersionId: NotRequired[str]
    IfMatch: NotRequired[str]


class RequestReader:
    """Reads and validates the request that a job points at."""

    def __init__(self, s3: "S3Client") -> None:
        self._s3 = s3

    def load(self, ref: ObjectRef) -> JobRequest:
        """Return the request. Raises InvalidManifest, or ServiceUnavailable."""
        where = f"s3://{ref.bucket}/{ref.key}"
        try:
            body = self._s3.get_object(**_address(ref))["Body"]
            data = body.read(MAX_REQUEST_BYTES + 1)
            body.close()
            return parse_request(data)
        except InvalidRequest as error:
            raise InvalidManifest(f"{where} is not a valid manifest: {error}") from error
        except ClientError as error:
            match aws_error_code(error):
                case "NoSuchKey" | "NoSuchVersion" | "NoSuchBucket":
                    reason = "was deleted before it could be read. Drop it again."
                case "PreconditionFailed":
                    reason = (
                        "was replaced before it could be read; the replacement has its own job."
                    )
                case "AccessDenied":
                    reason = "may not be read by the zipper's role. Grant s3:GetObject on it."
                case code:
                    raise ServiceUnavailable(f"S3 answered {code} for {where}.") from error
            raise InvalidManifest(f"{where} {reason}") from error
        except BotoCoreError as error:
            raise ServiceUnavailable(f"Reading {where} broke off: {error}") from error


class RequestWriter:
    """Keeps REST bodies below ``prefix``, which is not the prefix that manifests are dropped in."""

    def __init__(self, s3: "S3Client", bucket: str, prefix: str) -> None:
        self._s3 = s3
        self._bucket = bucket
        self._prefix = prefix

    def save(self, job_id: str, request: JobRequest) -> ObjectRef:
        """Store ``request``. Raises ServiceUnavailable."""
        key = f"{self._prefix}{job_id}.json"
        try:
            answer = self._s3.put_object(
                Bucket=self._bucket,
                Key=key,
                Body=request.model_dump_json(by_alias=True, exclude_none=True).encode(),
                ContentType="application/json",
            )
        except (ClientError, BotoCoreError) as error:
            raise ServiceUnavailable(f"The request could not be stored: {error}") from error
        version_id = answer.get("VersionId")
        etag = None if version_id else answer["ETag"]
        return ObjectRef(bucket=self._bucket, key=key, version_id=version_id, etag=etag)


def _address(ref: ObjectRef) -> _Address:
    address: _Address = {"Bucket": ref.bucket, "Key": ref.key}
    if ref.version_id:
        address["VersionId"] = ref.version_id
    elif ref.etag:
        address["IfMatch"] = ref.etag
    return address
