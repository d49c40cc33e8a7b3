"""Checks of all settings. They run before the program declares any resource."""

import re

from infra.config.bucket_settings import RESERVED, check_places
from infra.config.settings import CREATE_KEY, DAY_SECONDS, NO_KEY, InvalidSetting, Settings

MIN_RETENTION_DAYS = 15
"""A message can wait for 14 days, and then needs its request and its job record."""

MIN_POLLERS, MAX_POLLERS = 2, 200
"""Of the minimum in a ProvisionedPollerConfig for SQS: its page in the Lambda API Reference."""

LOG_RETENTION_DAYS = (1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827)
"""The values of CloudWatch Logs up to five years: PutRetentionPolicy in its API Reference."""

API_AUTH = ("iam", "jwt", "none")

MAX_JWT_AUDIENCES = 50
"""For an authorizer: "Quotas for configuring and running an HTTP API" in the API Gateway Developer
Guide."""

ANY_ORIGIN = "*"

MAX_NAME_CHARS = 39
"""For the start of every resource's name. The longest name is that of the rule for manifests: its
name has at most 64 characters (PutRule in the EventBridge API Reference), of which
``-manifest-uploads`` and Pulumi's suffix take 25.
"""

_NAME = re.compile(RESERVED + "[a-z][a-z0-9-]*")
"""The start of every resource's name: also a valid start of a bucket's name."""

_REGION = re.compile(r"(?!cn-|us-gov-|us-iso)[a-z]{2}(-[a-z]+)+-[0-9]")
"""Regions of the partition ``aws``, which is in all ARNs of this program."""

_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")

_ORIGIN = re.compile(r"https?://[a-z0-9.-]+(:[0-9]{1,5})?")
"""An origin as browsers send it, without a path or a final slash."""

_ISSUER = re.compile(r"https://[A-Za-z0-9.-]+(:[0-9]{1,5})?(/[^\s?#]*)?")
"""An issuer as in OpenID Connect Core: an https URL without query or fragment."""

_KEY_ARN = re.compile(r"arn:aws:kms:([a-z0-9-]+):[0-9]{12}:key/[a-zA-Z0-9-]+")

EXAMPLE_KEY = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"


def checked(settings: Settings) -> Settings:
    """Return the settings. Raises InvalidSetting for the first that cannot work."""
    _check_names(settings)
    _check_numbers(settings)
    _check_alarms(settings)
    _check_auth(settings)
    _check_origins(settings)
    _check_keys(settings)
    check_places(settings)
    if settings.force_destroy and settings.protect_data:
        raise InvalidSetting(
            "forceDestroy", settings.force_destroy, "it must be false if protectData is true"
        )
    return settings


def _check_names(settings: Settings) -> None:
    if not _REGION.fullmatch(settings.region):
        raise InvalidSetting(
            "aws:region",
            settings.region,
            "it must be a region such as us-east-1. China and GovCloud are not supported",
        )
    if not _NAME.fullmatch(settings.prefix) or len(settings.prefix) > MAX_NAME_CHARS:
        raise InvalidSetting(
            "resourcePrefix",
            settings.resource_prefix,
            f"with the stack's name it makes {settings.prefix}, which starts all resource names. "
            f"That must have at most {MAX_NAME_CHARS} characters, only lower-case letters, digits "
            "and hyphens, and start with a letter, but not with xn--, sthree- or amzn-s3-demo-",
        )


def _check_numbers(settings: Settings) -> None:
    ranges = {
        "presignTtlSeconds": (settings.presign_ttl_seconds, 1, 7 * DAY_SECONDS),
        "archiveRetentionDays": (settings.archive_retention_days, 0, 3650),
        "jobRetentionDays": (settings.job_retention_days, MIN_RETENTION_DAYS, 3650),
        "zipperMemoryMb": (settings.zipper_memory_mb, 512, 10_240),
        "zipperTimeoutSeconds": (settings.zipper_timeout_seconds, 60, 900),
        "zipperMaxConcurrency": (settings.zipper_max_concurrency, 2, 1000),
        "segmentMib": (settings.segment_mib, 8, 16_384),
        "maxReceiveCount": (settings.max_receive_count, 1, 1000),
        "reconcileMinutes": (settings.reconcile_minutes, 1, DAY_SECONDS // 60),
        "apiRate": (settings.api_rate, 1, 10_000),
    }
    for name, (value, low, high) in ranges.items():
        if not low <= value <= high:
            raise InvalidSetting(name, value, f"it must be from {low:,} to {high:,}")
    if settings.zipper_pollers and not MIN_POLLERS <= settings.zipper_pollers <= MAX_POLLERS:
        raise InvalidSetting(
            "zipperPollers",
            settings.zipper_pollers,
            f"it must be 0, or from {MIN_POLLERS} to {MAX_POLLERS}",
        )
    if settings.log_retention_days not in LOG_RETENTION_DAYS:
        days = ", ".join(str(days) for days in LOG_RETENTION_DAYS)
        raise InvalidSetting(
            "logRetentionDays", settings.log_retention_days, f"it must be one of {days}"
        )


def _check_alarms(settings: Settings) -> None:
    if settings.alarm_email and not _EMAIL.fullmatch(settings.alarm_email):
        raise InvalidSetting(
            "alarmEmail", settings.alarm_email, "it must be an email address, or empty"
        )
    seconds, timeout = settings.alarm_oldest_message_seconds, settings.zipper_timeout_seconds
    if not timeout < seconds <= 14 * DAY_SECONDS:
        raise InvalidSetting(
            "alarmOldestMessageSeconds",
            seconds,
            f"it must be more than zipperTimeoutSeconds ({timeout}) and at most "
            f"{14 * DAY_SECONDS:,} (14 days)",
        )


def _check_auth(settings: Settings) -> None:
    if settings.api_auth not in API_AUTH:
        raise InvalidSetting("apiAuth", settings.api_auth, "it must be iam, jwt or none")
    if settings.api_auth != "jwt":
        for name, value in (
            ("apiJwtIssuer", settings.api_jwt_issuer),
            ("apiJwtAudience", settings.api_jwt_audience),
        ):
            if value:
                raise InvalidSetting(
                    name,
                    value,
                    f"it is only allowed with apiAuth jwt, and apiAuth is {settings.api_auth}",
                )
        return
    if not _ISSUER.fullmatch(settings.api_jwt_issuer):
        raise InvalidSetting(
            "apiJwtIssuer", settings.api_jwt_issuer, "it must be an https URL if apiAuth is jwt"
        )
    audience = settings.api_jwt_audience
    if not 1 <= len(audience) <= MAX_JWT_AUDIENCES or "" in audience:
        raise InvalidSetting(
            "apiJwtAudience",
            audience,
            f"it must be a list of 1 to {MAX_JWT_AUDIENCES} audiences if apiAuth is jwt",
        )


def _check_origins(settings: Settings) -> None:
    if settings.api_cors_origins == (ANY_ORIGIN,):
        return
    for origin in settings.api_cors_origins:
        if not _ORIGIN.fullmatch(origin):
            raise InvalidSetting(
                "apiCorsOrigins",
                settings.api_cors_origins,
                "it must be a list of origins such as https://app.example.com, or only *",
            )


def _check_keys(settings: Settings) -> None:
    region, key = settings.region, settings.customer_key
    found = _KEY_ARN.fullmatch(key)
    if key not in (NO_KEY, CREATE_KEY) and (found is None or found[1] != region):
        raise InvalidSetting(
            "customerKey",
            key,
            f"it must be {NO_KEY}, {CREATE_KEY}, or the ARN of a key (not an alias) in "
            f"{region}, such as {EXAMPLE_KEY.replace('us-east-1', region)}",
        )
    for name, arns in (
        ("sourceKmsKeyArns", settings.source_kms_key_arns),
        ("targetKmsKeyArns", settings.target_kms_key_arns),
    ):
        if not all(_KEY_ARN.fullmatch(arn) for arn in arns):
            raise InvalidSetting(
                name,
                arns,
                f"it must be a list of ARNs of keys (not aliases), such as {EXAMPLE_KEY}",
            )
