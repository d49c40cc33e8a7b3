"""Creates buckets and their settings."""

from collections.abc import Mapping
from typing import Any

from botocore.exceptions import ClientError

from local.deployment.types.inputs import capital, capitals, encryption_rule
from local.deployment.types.resource_type import Created, Inputs, ResourceType
from local.errors import LocalError

ENCRYPTION = (
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration"
)


class BucketResources:
    """``s3`` is a client for ``region``."""

    def __init__(self, s3: Any, region: str) -> None:
        self._s3 = s3
        self._region = region
        self.types: Mapping[str, ResourceType] = {
            "aws:s3/bucket:Bucket": ResourceType(
                create=self._create,
                update=lambda bucket, old, new: None,  # of tags and forceDestroy
                delete=self._delete,
                read=lambda bucket, properties: s3.head_bucket(Bucket=bucket),
            ),
            "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock": self._setting(
                self._put_public_access_block, "public_access_block"
            ),
            "aws:s3/bucketOwnershipControls:BucketOwnershipControls": self._setting(
                self._put_ownership, "bucket_ownership_controls"
            ),
            "aws:s3/bucketPolicy:BucketPolicy": self._setting(self._put_policy, "bucket_policy"),
            ENCRYPTION: self._setting(self._put_encryption, "bucket_encryption"),
            "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration": self._setting(
                self._put_lifecycle, "bucket_lifecycle", "bucket_lifecycle_configuration"
            ),
            "aws:s3/bucketVersioning:BucketVersioning": ResourceType.setting(
                "bucket",
                put=lambda inputs: self._put_versioning(
                    inputs["bucket"], inputs["versioningConfiguration"]["status"]
                ),
                delete=lambda inputs: self._put_versioning(inputs["bucket"], "Suspended"),
                read=lambda inputs: s3.head_bucket(Bucket=inputs["bucket"]),
            ),
            "aws:s3/bucketNotification:BucketNotification": ResourceType.setting(
                "bucket",
                put=lambda inputs: self._put_notification(inputs["bucket"], inputs["eventbridge"]),
                delete=lambda inputs: self._put_notification(inputs["bucket"], eventbridge=False),
                read=lambda inputs: s3.head_bucket(Bucket=inputs["bucket"]),
            ),
        }

    def region_of(self, bucket: str) -> str:
        """Return the region of an existing bucket. Raises LocalError if there is none."""
        try:
            found = self._s3.get_bucket_location(Bucket=bucket)["LocationConstraint"]
        except ClientError as error:
            raise LocalError(f"The bucket {bucket} does not exist. Create it first.") from error
        return found or "us-east-1"

    def _setting(self, put: Any, deleted: str, read: str | None = None) -> ResourceType:
        """Return a setting of a bucket; ``deleted`` and ``read`` name it in the API."""
        delete = getattr(self._s3, f"delete_{deleted}")
        get = getattr(self._s3, f"get_{read or deleted}")
        return ResourceType.setting(
            "bucket",
            put=put,
            delete=lambda inputs: delete(Bucket=inputs["bucket"]),
            read=lambda inputs: get(Bucket=inputs["bucket"]),
        )

    def _create(self, inputs: Inputs) -> Created:
        bucket = inputs["bucket"]
        location = {"LocationConstraint": self._region}
        configuration = (
            {"CreateBucketConfiguration": location} if self._region != "us-east-1" else {}
        )
        self._s3.create_bucket(Bucket=bucket, **configuration)
        return bucket, {"arn": f"arn:aws:s3:::{bucket}", "region": self._region}

    def _delete(self, bucket: str, properties: Inputs) -> None:
        if properties.get("forceDestroy"):
            self._empty(bucket)
        self._s3.delete_bucket(Bucket=bucket)

    def _empty(self, bucket: str) -> None:
        for page in self._s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
            for version in page.get("Versions", []) + page.get("DeleteMarkers", []):
                self._s3.delete_object(
                    Bucket=bucket, Key=version["Key"], VersionId=version["VersionId"]
                )
        for page in self._s3.get_paginator("list_multipart_uploads").paginate(Bucket=bucket):
            for upload in page.get("Uploads", []):
                self._s3.abort_multipart_upload(
                    Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"]
                )

    def _put_public_access_block(self, inputs: Inputs) -> None:
        configuration = {capital(key): flag for key, flag in inputs.items() if key != "bucket"}
        self._s3.put_public_access_block(
            Bucket=inputs["bucket"], PublicAccessBlockConfiguration=configuration
        )

    def _put_ownership(self, inputs: Inputs) -> None:
        self._s3.put_bucket_ownership_controls(
            Bucket=inputs["bucket"], OwnershipControls={"Rules": [capitals(inputs["rule"])]}
        )

    def _put_policy(self, inputs: Inputs) -> None:
        self._s3.put_bucket_policy(Bucket=inputs["bucket"], Policy=inputs["policy"])

    def _put_encryption(self, inputs: Inputs) -> None:
        self._s3.put_bucket_encryption(
            Bucket=inputs["bucket"],
            ServerSideEncryptionConfiguration={
                "Rules": [encryption_rule(rule) for rule in inputs["rules"]]
            },
        )

    def _put_versioning(self, bucket: str, status: str) -> None:
        self._s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": status})

    def _put_notification(self, bucket: str, eventbridge: bool) -> None:
        self._s3.put_bucket_notification_configuration(
            Bucket=bucket,
            NotificationConfiguration={"EventBridgeConfiguration": {}} if eventbridge else {},
        )

    def _put_lifecycle(self, inputs: Inputs) -> None:
        rules = [
            {"ID": rule["id"], **capitals({k: v for k, v in rule.items() if k != "id"})}
            for rule in inputs["rules"]
        ]
        self._s3.put_bucket_lifecycle_configuration(
            Bucket=inputs["bucket"], LifecycleConfiguration={"Rules": rules}
        )
