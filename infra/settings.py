"""The stack's configuration, typed and checked. Defaults stand in ``Pulumi.yaml`` alone."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit

import pulumi

REQUESTS_PREFIX = "requests/"
WORK_PREFIX = "work/"
"""Where in the manifest bucket the API keeps its requests. Never watched for manifests."""

LEAST_RETENTION_DAYS = 15
"""A message may wait for 14 days, and needs its request then, and the record of its job's end."""

DAY_SECONDS = 86_400

LOG_RETENTION_DAYS = (1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827)
"""What CloudWatch Logs takes, up to five years: PutRetentionPolicy in its API Reference."""

API_AUTH = ("iam", "jwt", "none")

MAX_JWT_AUDIENCES = 50
"""Of an authorizer: "Quotas for configuring and running an HTTP API" in its Developer Guide."""

ANY_ORIGIN = "*"

_ORIGIN = re.compile(r"https?://[a-z0-9.-]+(:[0-9]{1,5})?")
"""As browsers send it: no path, not even a slash at the end."""


_KEY_ARN = re.compile(r"arn:aws:kms:([a-z0-9-]+):[0-9]{12}:key/[a-zA-Z0-9-]+")

EXAMPLE_KEY = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"

NO_KEY, CREATE_KEY = "none", "create"

_OWNER = re.compile(r"([^=]+)=([0-9]{12})")
"""A bucket and the account that it is of."""


class InvalidSetting(Exception):
    """A setting is wrong; says which, what it was and what it may be."""

    def __init__(self, name: str, value: object, rule: str) -> None:
        super().__init__(f"Setting {name} is {json.dumps(value)}, but {rule}.")


@dataclass(frozen=True)
class Settings:
    """One field per setting in ``Pulumi.yaml``, of the same name in snake_case."""

    stack: str
    region: str
    resource_prefix: str
    source_bucket: str
    target_bucket: str
    target_prefix: str
    manifest_bucket: str
    manifest_prefix: str
    allowed_sources: tuple[str, ...]
    allowed_targets: tuple[str, ...]
    bucket_owners: tuple[str, ...]
    presign_ttl_seconds: int
    job_retention_days: int
    log_retention_days: int
    zipper_memory_mb: int
    zipper_timeout_seconds: int
    zipper_max_concurrency: int
    segment_mib: int
    max_receive_count: int
    sweep_minutes: int
    alarm_email: str
    alarm_oldest_message_seconds: int
    alarm_error_percent: int
    api_auth: str
    api_jwt_issuer: str
    api_jwt_audience: tuple[str, ...]
    api_docs: bool
    api_cors_origins: tuple[str, ...]
    api_burst: int
    api_rate: int
    completion_events_queue: bool
    tracing: bool
    customer_key: str
    source_kms_key_arns: tuple[str, ...]
    target_kms_key_arns: tuple[str, ...]
    point_in_time_recovery: bool
    protect_data: bool
    force_destroy: bool

    @classmethod
    def load(cls) -> Self:
        """Read the stack's configuration. Raises InvalidSetting, or Pulumi's own ConfigError."""
        config = pulumi.Config()
        settings = cls(
            stack=pulumi.get_stack(),
            region=pulumi.Config("aws").require("region"),
            resource_prefix=config.require("resourcePrefix"),
            source_bucket=config.require("sourceBucket"),
            target_bucket=config.require("targetBucket"),
            target_prefix=config.require("targetPrefix"),
            manifest_bucket=config.require("manifestBucket"),
            manifest_prefix=config.require("manifestPrefix"),
            allowed_sources=_strings(config, "allowedSources"),
            allowed_targets=_strings(config, "allowedTargets"),
            bucket_owners=_strings(config, "bucketOwners"),
            presign_ttl_seconds=config.require_int("presignTtlSeconds"),
            job_retention_days=config.require_int("jobRetentionDays"),
            log_retention_days=config.require_int("logRetentionDays"),
            zipper_memory_mb=config.require_int("zipperMemoryMb"),
            zipper_timeout_seconds=config.require_int("zipperTimeoutSeconds"),
            zipper_max_concurrency=config.require_int("zipperMaxConcurrency"),
            segment_mib=config.require_int("segmentMib"),
            max_receive_count=config.require_int("maxReceiveCount"),
            sweep_minutes=config.require_int("sweepMinutes"),
            alarm_email=config.require("alarmEmail"),
            alarm_oldest_message_seconds=config.require_int("alarmOldestMessageSeconds"),
            alarm_error_percent=config.require_int("alarmErrorPercent"),
            api_auth=config.require("apiAuth"),
            api_jwt_issuer=config.require("apiJwtIssuer"),
            api_jwt_audience=_strings(config, "apiJwtAudience"),
            api_docs=config.require_bool("apiDocs"),
            api_cors_origins=_strings(config, "apiCorsOrigins"),
            api_burst=config.require_int("apiBurst"),
            api_rate=config.require_int("apiRate"),
            completion_events_queue=config.require_bool("completionEventsQueue"),
            tracing=config.require_bool("tracing"),
            customer_key=config.require("customerKey"),
            source_kms_key_arns=_strings(config, "sourceKmsKeyArns"),
            target_kms_key_arns=_strings(config, "targetKmsKeyArns"),
            point_in_time_recovery=config.require_bool("pointInTimeRecovery"),
            protect_data=config.require_bool("protectData"),
            force_destroy=config.require_bool("forceDestroy"),
        )
        settings.check()
        return settings

    @property
    def prefix(self) -> str:
        """The first part of every resource's name."""
        return f"{self.resource_prefix}-{self.stack}"

    @property
    def owner_ids(self) -> dict[str, str]:
        """The account IDs of the buckets of other accounts, by the bucket's name."""
        return dict(owner.split("=") for owner in self.bucket_owners)

    def check(self) -> None:
        """Raise InvalidSetting for the first setting that cannot work."""
        self._check_range("presignTtlSeconds", self.presign_ttl_seconds, 1, 7 * DAY_SECONDS)
        self._check_range("jobRetentionDays", self.job_retention_days, LEAST_RETENTION_DAYS, 3650)
        if self.log_retention_days not in LOG_RETENTION_DAYS:
            days = ", ".join(str(days) for days in LOG_RETENTION_DAYS)
            raise InvalidSetting("logRetentionDays", self.log_retention_days, f"it must be {days}")
        self._check_range("zipperMemoryMb", self.zipper_memory_mb, 512, 10_240)
        self._check_range("zipperTimeoutSeconds", self.zipper_timeout_seconds, 60, 900)
        self._check_range("zipperMaxConcurrency", self.zipper_max_concurrency, 2, 1000)
        self._check_range("segmentMib", self.segment_mib, 8, 16_384)
        self._check_range("maxReceiveCount", self.max_receive_count, 1, 1000)
        self._check_range("sweepMinutes", self.sweep_minutes, 1, DAY_SECONDS // 60)
        self._check_alarms()
        self._check_range("apiBurst", self.api_burst, 1, 5000)
        self._check_range("apiRate", self.api_rate, 1, 10_000)
        self._check_auth()
        self._check_origins()
        self._check_customer_key()
        self._check_owners()
        self._check_keys("sourceKmsKeyArns", self.source_kms_key_arns)
        self._check_keys("targetKmsKeyArns", self.target_kms_key_arns)
        if self.force_destroy and self.protect_data:
            raise InvalidSetting(
                "forceDestroy", self.force_destroy, "with protectData it must be false"
            )
        if not self.target_prefix.endswith("/"):
            raise InvalidSetting("targetPrefix", self.target_prefix, "it must end in a slash")
        self._check_prefixes()

    def _check_alarms(self) -> None:
        if self.alarm_email and "@" not in self.alarm_email.strip("@"):
            raise InvalidSetting("alarmEmail", self.alarm_email, "it must be an e-mail address")
        self._check_range("alarmErrorPercent", self.alarm_error_percent, 1, 100)
        seconds, timeout = self.alarm_oldest_message_seconds, self.zipper_timeout_seconds
        if not timeout < seconds <= 14 * DAY_SECONDS:
            raise InvalidSetting(
                "alarmOldestMessageSeconds",
                seconds,
                f"it must be more than zipperTimeoutSeconds, {timeout}, which a job may take, and "
                "at the most 14 days",
            )

    def _check_auth(self) -> None:
        if self.api_auth not in API_AUTH:
            raise InvalidSetting("apiAuth", self.api_auth, "it must be iam, jwt or none")
        if self.api_auth != "jwt":
            for name, value in (
                ("apiJwtIssuer", self.api_jwt_issuer),
                ("apiJwtAudience", self.api_jwt_audience),
            ):
                if value:
                    raise InvalidSetting(
                        name,
                        value,
                        f"it goes with apiAuth jwt only, and apiAuth is {self.api_auth}",
                    )
            return
        issuer = urlsplit(self.api_jwt_issuer)
        if issuer.scheme != "https" or not issuer.netloc or issuer.query or issuer.fragment:
            raise InvalidSetting(
                "apiJwtIssuer", self.api_jwt_issuer, "with apiAuth jwt it must be an https URL"
            )
        if not 1 <= len(self.api_jwt_audience) <= MAX_JWT_AUDIENCES or "" in self.api_jwt_audience:
            raise InvalidSetting(
                "apiJwtAudience",
                self.api_jwt_audience,
                f"with apiAuth jwt it must be a list of 1 to {MAX_JWT_AUDIENCES} audiences",
            )

    def _check_origins(self) -> None:
        if self.api_cors_origins == (ANY_ORIGIN,):
            return
        for origin in self.api_cors_origins:
            if not _ORIGIN.fullmatch(origin):
                raise InvalidSetting(
                    "apiCorsOrigins",
                    self.api_cors_origins,
                    "it must be a list of origins such as https://app.example.com, or of * alone",
                )

    def _check_customer_key(self) -> None:
        if self.customer_key in (NO_KEY, CREATE_KEY):
            return
        found = _KEY_ARN.fullmatch(self.customer_key)
        if found is None or found[1] != self.region:
            raise InvalidSetting(
                "customerKey",
                self.customer_key,
                f"it must be {NO_KEY}, {CREATE_KEY}, or the ARN of a key, not of an alias, in "
                f"{self.region}, such as {EXAMPLE_KEY.replace('us-east-1', self.region)}",
            )

    def _check_owners(self) -> None:
        found = [_OWNER.fullmatch(owner) for owner in self.bucket_owners]
        named = {one[1] for one in found if one}
        if len(named) < len(found):
            raise InvalidSetting(
                "bucketOwners",
                self.bucket_owners,
                "it must be a list of buckets with their account IDs, each bucket once, such as "
                "their-documents=111122223333",
            )
        configured = (self.source_bucket, self.target_bucket, self.manifest_bucket)
        places = (*configured, *self.allowed_sources, *self.allowed_targets)
        for bucket in sorted(named - {place.partition("/")[0] for place in places}):
            raise InvalidSetting(
                "bucketOwners",
                self.bucket_owners,
                f"{bucket} must be sourceBucket, targetBucket, manifestBucket, or on "
                "allowedSources or allowedTargets",
            )

    def _check_keys(self, name: str, arns: tuple[str, ...]) -> None:
        for arn in arns:
            if not _KEY_ARN.fullmatch(arn):
                raise InvalidSetting(
                    name,
                    arns,
                    f"it must be a list of ARNs of keys, not of aliases, such as {EXAMPLE_KEY}",
                )

    def _check_prefixes(self) -> None:
        if not self.manifest_prefix.endswith("/"):
            raise InvalidSetting("manifestPrefix", self.manifest_prefix, "it must end in a slash")
        for own in (REQUESTS_PREFIX, WORK_PREFIX):
            if _overlap(self.manifest_prefix, own):
                raise InvalidSetting(
                    "manifestPrefix",
                    self.manifest_prefix,
                    f"it must not overlap {own}, where the service keeps things of its own",
                )
        targets = [*self.allowed_targets, f"{self.target_bucket}/{self.target_prefix}"]
        if self.manifest_bucket:
            self.check_overlap(self.manifest_bucket, targets)

    def check_overlap(self, manifest_bucket: str, targets: Sequence[str]) -> None:
        """Raise InvalidSetting if an archive could land where manifests are dropped."""
        for target in targets:
            bucket, _, prefix = target.partition("/")
            if bucket == manifest_bucket and _overlap(prefix, self.manifest_prefix):
                raise InvalidSetting(
                    "manifestPrefix",
                    self.manifest_prefix,
                    f"it must not overlap the target {target} in the same bucket: "
                    "what the service writes must never start a job",
                )

    def _check_range(self, name: str, value: int, low: int, high: int) -> None:
        if not low <= value <= high:
            raise InvalidSetting(name, value, f"it must be from {low:,} to {high:,}")


def _strings(config: pulumi.Config, name: str) -> tuple[str, ...]:
    """A setting that is a list. Raises InvalidSetting, or Pulumi's own ConfigError."""
    value = config.require_object(name)
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise InvalidSetting(name, value, "it must be a list of strings")
    return tuple(value)


def _overlap(one: str, other: str) -> bool:
    return one.startswith(other) or other.startswith(one)
