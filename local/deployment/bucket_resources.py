"""Creates the declared buckets and their configurations, one method per type."""

from collections.abc import Callable, Mapping
from typing import Any

from botocore.exceptions import ClientError

from local.deployment.inputs import Created, Inputs, capital, capitals, encryption_rule
from local.errors import LocalError
from local.names import physical_name

ENCRYPTION = (
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration"
)


class BucketResources:
    """``s3`` is a client for ``region``."""

    def __init__(self, s3: Any, region: str) -> None:
        self._s3 = s3
        self._region = region
        self.creators: Mapping[str, Callable[[str, Inputs], Created]] = {
            "aws:s3/bucket:Bucket": self._bucket,
            "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock": self._public_access_block,
            "aws:s3/bucketOwnershipControls:BucketOwnershipControls": self._ownership,
            "aws:s3/bucketPolicy:BucketPolicy": self._policy,
            ENCRYPTION: self._encryption,
            "aws:s3/bucketVersioning:BucketVersioning": self._versioning,
            "aws:s3/bucketNotification:BucketNotification": self._notification,
            "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration": self._lifecycle,
        }

    def region_of(self, bucket: str) -> str:
        """Return the region of an existing bucket. Raises LocalError if there is none."""
        try:
            found = self._s3.get_bucket_location(Bucket=bucket)["LocationConstraint"]
        except ClientError as error:
            raise LocalError(f"The bucket {bucket} does not exist. Create it first.") from error
        return found or "us-east-1"

    def _bucket(self, name: str, inputs: Inputs) -> Created:
        bucket = physical_name(name)
        location = {"LocationConstraint": self._region}
        configuration = (
            {"CreateBucketConfiguration": location} if self._region != "us-east-1" else {}
        )
        self._s3.create_bucket(Bucket=bucket, **configuration)
        return bucket, {"bucket": bucket, "arn": f"arn:aws:s3:::{bucket}", "region": self._region}

    def _public_access_block(self, name: str, inputs: Inputs) -> Created:
        configuration = {capital(key): flag for key, flag in inputs.items() if key != "bucket"}
        self._s3.put_public_access_block(
            Bucket=inputs["bucket"], PublicAccessBlockConfiguration=configuration
        )
        return inputs["bucket"], {}

    def _ownership(self, name: str, inputs: Inputs) -> Created:
        self._s3.put_bucket_ownership_controls(
            Bucket=inputs["bucket"], OwnershipControls={"Rules": [capitals(inputs["rule"])]}
        )
        return inputs["bucket"], {}

    def _policy(self, name: str, inputs: Inputs) -> Created:
        self._s3.put_bucket_policy(Bucket=inputs["bucket"], Policy=inputs["policy"])
        return inputs["bucket"], {}

    def _encryption(self, name: str, inputs: Inputs) -> Created:
        self._s3.put_bucket_encryption(
            Bucket=inputs["bucket"],
            ServerSideEncryptionConfiguration={
                "Rules": [encryption_rule(rule) for rule in inputs["rules"]]
            },
        )
        return inputs["bucket"], {}

    def _versioning(self, name: str, inputs: Inputs) -> Created:
        status = inputs["versioningConfiguration"]["status"]
        self._s3.put_bucket_versioning(
            Bucket=inputs["bucket"], VersioningConfiguration={"Status": status}
        )
        return inputs["bucket"], {}

    def _notification(self, name: str, inputs: Inputs) -> Created:
        configuration: dict[str, Any] = {"EventBridgeConfiguration": {}}
        self._s3.put_bucket_notification_configuration(
            Bucket=inputs["bucket"],
            NotificationConfiguration=configuration if inputs["eventbridge"] else {},
        )
        return inputs["bucket"], {}

    def _lifecycle(self, name: str, inputs: Inputs) -> Created:
        rules = [
            {"ID": rule["id"], **capitals({k: v for k, v in rule.items() if k != "id"})}
            for rule in inputs["rules"]
        ]
        self._s3.put_bucket_lifecycle_configuration(
            Bucket=inputs["bucket"], LifecycleConfiguration={"Rules": rules}
        )
        return inputs["bucket"], {}
