"""Whose buckets they are: every request to S3 says whom it expects.

A name on an allow-list outlives its bucket: once that is deleted, anybody may make one of the same
name. S3 refuses what does not go to the account that was expected, with 403 AccessDenied:
"Verifying bucket ownership with bucket owner condition", Amazon S3 User Guide.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from botocore.model import OperationModel
    from mypy_boto3_s3 import S3Client

HEADER = "x-amz-expected-bucket-owner"

OWNER_HINT = "If its bucket is not this account's, bucketOwners must say whose it is."
"""What a refusal may be about too. S3 does not tell it from others."""


@dataclass(frozen=True, slots=True)
class BucketOwners:
    """All buckets are ``account_id``'s but for ``others``: account IDs by the bucket's name."""

    account_id: str
    others: Mapping[str, str] = field(default_factory=dict)

    def of(self, bucket: str) -> str:
        """The account whose bucket it is to be."""
        return self.others.get(bucket, self.account_id)

    def headers(self, bucket: str) -> dict[str, str]:
        """What says so in a request that does not go through boto3."""
        return {HEADER: self.of(bucket)}

    def watch(self, s3: "S3Client") -> None:
        """Have each request of ``s3`` say so, of the bucket and of the source of a copy.

        But for presigned ones: the header would be signed with the link, and no browser sends it.
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
