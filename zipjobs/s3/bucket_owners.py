"""The expected owner of each bucket, which every request to S3 names.

After a bucket is deleted, another account can create one with the same name. S3 answers 403
AccessDenied if the bucket belongs to another account than expected: "Verifying bucket ownership
with bucket owner condition", Amazon S3 User Guide.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from botocore.model import OperationModel
    from mypy_boto3_s3 import S3Client

HEADER = "x-amz-expected-bucket-owner"

OWNER_HINT = "If another account owns the bucket, add it to bucketOwners."
"""A second cause of AccessDenied. S3 does not say which one applies."""


@dataclass(frozen=True, slots=True)
class BucketOwners:
    """``account_id`` owns all buckets except ``others``, which maps bucket names to account IDs."""

    account_id: str
    others: Mapping[str, str] = field(default_factory=dict)

    def of(self, bucket: str) -> str:
        """Return the account ID of the expected owner."""
        return self.others.get(bucket, self.account_id)

    def headers(self, bucket: str) -> dict[str, str]:
        """Return the header for a request that is not sent by boto3."""
        return {HEADER: self.of(bucket)}

    def watch(self, s3: "S3Client") -> None:
        """Add the expected owners of bucket and copy source to each request of ``s3``.

        Presigned requests are excluded: browsers would have to send the signed header.
        """

        def expect(
            params: dict[str, Any], model: "OperationModel", context: Mapping[str, Any], **_: Any
        ) -> None:
            if context.get("is_presign_request"):
                return
            members = model.input_shape.members if model.input_shape else {}
            if "ExpectedBucketOwner" in members:
                params["ExpectedBucketOwner"] = self.of(params["Bucket"])
            if "ExpectedSourceBucketOwner" in members:
                params["ExpectedSourceBucketOwner"] = self.of(params["CopySource"]["Bucket"])

        s3.meta.events.register("provide-client-params.s3", expect)
