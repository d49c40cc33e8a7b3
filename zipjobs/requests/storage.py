"""Stored requests: manifests, and REST bodies that the API writes to S3.

A job's record and messages contain only a reference to its request.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NotRequired, TypedDict

from botocore.exceptions import BotoCoreError, ClientError

from zipjobs.errors import (
    InvalidManifest,
    InvalidRequest,
    ServiceUnavailable,
    aws_error_code,
)
from zipjobs.model import Model, utc_now
from zipjobs.requests.fields import ETag, VersionId
from zipjobs.requests.idempotency import key_reused, request_json
from zipjobs.requests.schema import MAX_REQUEST_BYTES, JobRequest, parse_request
from zipjobs.s3.errors import ErrorResponse, own_errors, source_error
from zipjobs.s3.source import Source

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


class ObjectRef(Model):
    """One version of an object in S3, identified by its ETag if the bucket has no versioning."""

    bucket: str
    key: str
    version_id: VersionId | None = None
    etag: ETag | None = None


class _Address(TypedDict):
    Bucket: str
    Key: str
    VersionId: NotRequired[str]
    IfMatch: NotRequired[str]


class RequestReader:
    """Reads and validates the request of a job."""

    def __init__(self, s3: "S3Client") -> None:
        self._s3 = s3

    def load(self, ref: ObjectRef) -> JobRequest:
        """Return the request of a manifest or of ``POST /zip-jobs``.

        Raises InvalidManifest, for both, and ServiceUnavailable.
        """
        where = f"s3://{ref.bucket}/{ref.key}"
        try:
            body = self._s3.get_object(**_address(ref))["Body"]
            data = body.read(MAX_REQUEST_BYTES + 1)
            if len(data) <= MAX_REQUEST_BYTES:
                data += body.read()  # raises if the body is incomplete
            body.close()
            return parse_request(data)
        except InvalidRequest as error:
            raise InvalidManifest(
                f"{where} is not a valid manifest: {error}", error.problems
            ) from error
        except ClientError as error:
            response = ErrorResponse.of(error)
            if not response.is_permanent:
                raise ServiceUnavailable(f"S3 returned {response} for {where}.") from error
            if response.is_absent:
                reason = f"{where} was deleted before it was read. Upload it again."
            elif response.status == 412:
                reason = f"{where} was replaced before it was read. The new object has its own job."
            else:
                reason = str(source_error(response, Source(ref.bucket, ref.key)))
            raise InvalidManifest(reason) from error
        except BotoCoreError as error:
            raise ServiceUnavailable(f"Reading {where} failed: {error}") from error


class RequestWriter:
    """Stores REST requests below ``prefix``, which differs from the prefix of manifests.

    A stored request is used for ``keep_seconds``, the retention of its job.
    """

    def __init__(self, s3: "S3Client", bucket: str, prefix: str, keep_seconds: int) -> None:
        self._s3 = s3
        self._bucket = bucket
        self._prefix = prefix
        self._keep_seconds = keep_seconds

    def save(self, job_id: str, request: JobRequest) -> ObjectRef:
        """Store a request and return its reference. Raises ServiceUnavailable."""
        with own_errors(f"the request of job {job_id}"):
            return self._put(job_id, request)

    def save_once(self, job_id: str, request: JobRequest) -> ObjectRef:
        """Store a request unless the job has one, and return the reference of the stored one.

        Raises IdempotencyKeyReused if the stored request is different and has not expired, and
        ServiceUnavailable.
        """
        with own_errors(f"the request of job {job_id}"):
            try:
                return self._put(job_id, request, IfNoneMatch="*")
            except ClientError as error:
                if aws_error_code(error) != "PreconditionFailed":
                    raise
            found = self._s3.get_object(Bucket=self._bucket, Key=self._key(job_id))
            if found["Body"].read() == request_json(request):
                return self._ref(job_id, found)
            age = utc_now() - found["LastModified"]
            if age.total_seconds() > self._keep_seconds:
                return self._put(job_id, request, IfMatch=found["ETag"])
        raise key_reused()

    def _put(self, job_id: str, request: JobRequest, **condition: str) -> ObjectRef:
        response = self._s3.put_object(
            Bucket=self._bucket,
            Key=self._key(job_id),
            Body=request_json(request),
            ContentType="application/json",
            **condition,  # type: ignore[arg-type]
        )
        return self._ref(job_id, response)

    def _key(self, job_id: str) -> str:
        return f"{self._prefix}{job_id}.json"

    def _ref(self, job_id: str, response: Mapping[str, Any]) -> ObjectRef:
        version_id = response.get("VersionId")
        etag = None if version_id else response["ETag"]
        key = self._key(job_id)
        return ObjectRef(bucket=self._bucket, key=key, version_id=version_id, etag=etag)


def _address(ref: ObjectRef) -> _Address:
    address: _Address = {"Bucket": ref.bucket, "Key": ref.key}
    if ref.version_id:
        address["VersionId"] = ref.version_id
    elif ref.etag:
        address["IfMatch"] = ref.etag
    return address
