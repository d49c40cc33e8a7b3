"""The buckets for sources, archives and manifests."""

import pulumi
import pulumi_aws as aws

from infra import policies
from infra.config.bucket_settings import check_overlaps
from infra.config.settings import REQUESTS_PREFIX, WORK_PREFIX, InvalidSetting, Settings
from infra.encryption import Key
from infra.stack import retained

ABORT_UPLOADS_AFTER_DAYS = 15
"""The service aborts its own uploads. This rule catches any others: their parts cost money."""

DELETE_OLD_MANIFESTS_AFTER_DAYS = 90

EXPIRY_TAG = "zipjobs-expires-in-days"
EXPIRY_DAYS = (1, 7, 30, 90)
"""The tag and the values of ``expiresInDays`` in a request: zipjobs/requests/fields.py. Deletion
takes effect at midnight UTC after this time."""

DELETE_WORK_AFTER_DAYS = 15
"""The service deletes the segments of finished jobs. A message, and so a job, lives for at most 14
days."""

Rule = aws.s3.BucketLifecycleConfigurationRuleArgsDict
EncryptionRule = aws.s3.BucketServerSideEncryptionConfigurationRuleArgsDict


class Storage(pulumi.ComponentResource):
    """The buckets. Creates those that no setting names, and does not change existing ones.

    ``allowed_sources`` and ``allowed_targets`` are lists of ``bucket/prefix``.
    """

    def __init__(
        self, settings: Settings, key: Key, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("s3zipjobs:infra:Storage", f"{settings.prefix}-storage", None, opts)
        self._settings = settings
        self._key = key
        self._prefix = settings.prefix
        self.source_bucket = self._source_bucket(settings)
        self.target_bucket = self._target_bucket(settings)
        self.manifest_bucket = self._manifest_bucket(settings)
        self.allowed_sources = _locations(settings.allowed_sources, self.source_bucket, "")
        self.allowed_targets = _locations(
            settings.allowed_targets, self.target_bucket, settings.target_prefix
        )
        checked = pulumi.Output.all(
            manifest_bucket=self.manifest_bucket,
            sources=self.allowed_sources,
            targets=self.allowed_targets,
        ).apply(lambda places: check_overlaps(settings, **places))
        self.register_outputs({"checked": checked})

    def _source_bucket(self, settings: Settings) -> pulumi.Output[str]:
        if settings.source_bucket:  # in any region: its objects are read from there
            return pulumi.Output.from_input(settings.source_bucket)
        bucket = self._create("source")
        self._lifecycle("source", bucket, [])
        return bucket.bucket

    def _target_bucket(self, settings: Settings) -> pulumi.Output[str]:
        if settings.target_bucket:
            return self._here("targetBucket", settings.target_bucket)
        bucket = self._create("target")
        self._lifecycle("target", bucket, archive_rules(settings))
        return bucket.bucket

    def _manifest_bucket(self, settings: Settings) -> pulumi.Output[str]:
        if settings.manifest_bucket:
            return self._here("manifestBucket", settings.manifest_bucket)
        bucket = self._create("manifests")
        versioning = aws.s3.BucketVersioning(
            f"{self._prefix}-manifests-versions",
            bucket=bucket.bucket,
            versioning_configuration={"status": "Enabled"},
            opts=retained(self._settings, bucket),
        )
        aws.s3.BucketNotification(
            f"{self._prefix}-manifests-events",
            bucket=bucket.bucket,
            eventbridge=True,
            opts=retained(self._settings, bucket, depends_on=[versioning]),
        )
        self._lifecycle(
            "manifests",
            bucket,
            [
                {
                    "id": "expire-requests",
                    "status": "Enabled",
                    "filter": {"prefix": REQUESTS_PREFIX},
                    "expiration": {"days": settings.job_retention_days},
                    "noncurrent_version_expiration": {"noncurrent_days": 1},
                },
                {
                    "id": "expire-work",
                    "status": "Enabled",
                    "filter": {"prefix": WORK_PREFIX},
                    "expiration": {"days": DELETE_WORK_AFTER_DAYS},
                    "noncurrent_version_expiration": {"noncurrent_days": 1},
                },
                {
                    "id": "expire-replaced-versions",
                    "status": "Enabled",
                    "filter": {"prefix": ""},
                    "noncurrent_version_expiration": {
                        "noncurrent_days": DELETE_OLD_MANIFESTS_AFTER_DAYS
                    },
                },
            ],
        )
        return bucket.bucket

    def _here(self, setting: str, bucket: str) -> pulumi.Output[str]:
        """Return the name of an existing bucket.

        Raises InvalidSetting if it is in another region: S3 redirects uploads there, and a rule
        sees only the events of its own region. The region of a bucket of another account is not
        looked up, because the user who deploys may not see it.
        """
        own = self._settings.region
        if bucket in self._settings.owner_ids:
            return pulumi.Output.from_input(bucket)

        def checked(region: str) -> str:
            if region != own:
                rule = f"it must be a bucket in {own}, the region of the stack. It is in {region}"
                raise InvalidSetting(setting, bucket, rule)
            return bucket

        found: pulumi.Output[str] = aws.s3.get_bucket_output(bucket=bucket).bucket_region
        return found.apply(checked)

    def _create(self, role: str) -> aws.s3.Bucket:
        """Create a private, encrypted bucket without ACLs that requires TLS."""
        bucket = aws.s3.Bucket(
            f"{self._prefix}-{role}",
            force_destroy=self._settings.force_destroy,
            opts=retained(self._settings, self),
        )
        private = aws.s3.BucketPublicAccessBlock(
            f"{self._prefix}-{role}-private",
            bucket=bucket.bucket,
            block_public_acls=True,
            block_public_policy=True,
            ignore_public_acls=True,
            restrict_public_buckets=True,
            opts=retained(self._settings, bucket),
        )
        owned = aws.s3.BucketOwnershipControls(
            f"{self._prefix}-{role}-owned",
            bucket=bucket.bucket,
            rule={"object_ownership": "BucketOwnerEnforced"},
            # S3 returns 409 if two settings of one bucket's access change at the same time.
            opts=retained(self._settings, bucket, depends_on=[private]),
        )
        aws.s3.BucketPolicy(
            f"{self._prefix}-{role}-tls",
            bucket=bucket.bucket,
            policy=bucket.arn.apply(policies.bucket_over_tls),
            opts=retained(self._settings, bucket, depends_on=[owned]),
        )
        aws.s3.BucketServerSideEncryptionConfiguration(
            f"{self._prefix}-{role}-encryption",
            bucket=bucket.bucket,
            rules=[_encrypted(self._key)],
            opts=retained(self._settings, bucket),
        )
        return bucket

    def _lifecycle(self, role: str, bucket: aws.s3.Bucket, rules: list[Rule]) -> None:
        abort: Rule = {
            "id": "abort-incomplete-uploads",
            "status": "Enabled",
            "filter": {"prefix": ""},
            "abort_incomplete_multipart_upload": {
                "days_after_initiation": ABORT_UPLOADS_AFTER_DAYS
            },
        }
        aws.s3.BucketLifecycleConfiguration(
            f"{self._prefix}-{role}-lifecycle",
            bucket=bucket.bucket,
            rules=[abort, *rules],
            opts=retained(self._settings, bucket),
        )


def archive_rules(settings: Settings) -> list[Rule]:
    """Return the rules that delete archives: after ``expiresInDays``, and ``archiveRetentionDays``.

    S3 applies the shorter one.
    """
    rules: list[Rule] = [
        {
            "id": f"expire-after-{days}-days",
            "status": "Enabled",
            "filter": {"tag": {"key": EXPIRY_TAG, "value": str(days)}},
            "expiration": {"days": days},
        }
        for days in EXPIRY_DAYS
    ]
    if settings.archive_retention_days:
        rules.append(
            {
                "id": "expire-archives",
                "status": "Enabled",
                "filter": {"prefix": settings.target_prefix},
                "expiration": {"days": settings.archive_retention_days},
            }
        )
    return rules


def _encrypted(key: Key) -> EncryptionRule:
    """Return the default encryption: with S3's keys, or with the customer key.

    A bucket key reduces the requests to KMS.
    """
    if key is None:
        return {"apply_server_side_encryption_by_default": {"sse_algorithm": "AES256"}}
    return {
        "apply_server_side_encryption_by_default": {
            "sse_algorithm": "aws:kms",
            "kms_master_key_id": key,
        },
        "bucket_key_enabled": True,
    }


def _locations(
    configured: tuple[str, ...], bucket: pulumi.Output[str], prefix: str
) -> pulumi.Output[list[str]]:
    """Return the default place and the configured ones, each with a slash after the bucket."""
    with_slash = [place if "/" in place else f"{place}/" for place in configured]
    return bucket.apply(lambda name: [f"{name}/{prefix}", *with_slash])
