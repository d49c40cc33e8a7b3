"""What settings may be: each that cannot work stops the program, with what it was and may be."""

import re

from infra.config.bucket_settings import RESERVED, check_places
from infra.config.settings import CREATE_KEY, DAY_SECONDS, NO_KEY, InvalidSetting, Settings

LEAST_RETENTION_DAYS = 15
"""A message may wait for 14 days, and needs its request then, and the record of its job's end."""

LOG_RETENTION_DAYS = (1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827)
"""What CloudWatch Logs takes, up to five years: PutRetentionPolicy in its API Reference."""

API_AUTH = ("iam", "jwt", "none")

MAX_JWT_AUDIENCES = 50
"""Of an authorizer: "Quotas for configuring and running an HTTP API" in its Developer Guide."""

ANY_ORIGIN = "*"

MAX_NAME_CHARS = 39
"""Of the first part of every name. The name of the rule for manifests comes to the most of what it
may have: 64, with ``-manifest-dropped`` and Pulumi's eight (PutRule in the EventBridge API
Reference). Buckets would take six characters more.
"""

_NAME = re.compile(RESERVED + "[a-z][a-z0-9-]*")
"""As the names of buckets may begin, and all others too."""

_REGION = re.compile(r"(?!cn-|us-gov-|us-iso)[a-z]{2}(-[a-z]+)+-[0-9]")
"""Of the partition ``aws``, as all ARNs here."""

_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")

_ORIGIN = re.compile(r"https?://[a-z0-9.-]+(:[0-9]{1,5})?")
"""As browsers send it: no path, not even a slash at the end."""

_ISSUER = re.compile(r"https://[A-Za-z0-9.-]+(:[0-9]{1,5})?(/[^\s?#]*)?")
"""As tokens name it: "Discovery" in OpenID Connect Core has no query, no fragment."""

_KEY_ARN = re.compile(r"arn:aws:kms:([a-z0-9-]+):[0-9]{12}:key/[a-zA-Z0-9-]+")

EXAMPLE_KEY = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"


def checked(settings: Settings) -> Settings:
    """The same settings. Raises InvalidSetting for the first that cannot work."""
    _check_names(settings)
    _check_numbers(settings)
    _check_alarms(settings)
    _check_auth(settings)
    _check_origins(settings)
    _check_keys(settings)
    check_places(settings)
    if settings.force_destroy and settings.protect_data:
        raise InvalidSetting(
            "forceDestroy", settings.force_destroy, "with protectData it must be false"
        )
    return settings


def _check_names(settings: Settings) -> None:
    if not _REGION.fullmatch(settings.region):
        raise InvalidSetting(
            "aws:region",
            settings.region,
            "it must be a region such as us-east-1, and neither of China nor of GovCloud",
        )
    if not _NAME.fullmatch(settings.prefix) or len(settings.prefix) > MAX_NAME_CHARS:
        raise InvalidSetting(
            "resourcePrefix",
            settings.resource_prefix,
            f"{settings.prefix}, it and the stack's name, must be lower-case letters, digits and "
            f"hyphens, begin with a letter, and have {MAX_NAME_CHARS} characters at the most: "
            "all names begin so, and those of buckets neither with xn--, sthree- nor amzn-s3-demo-",
        )


def _check_numbers(settings: Settings) -> None:
    ranges = {
        "presignTtlSeconds": (settings.presign_ttl_seconds, 1, 7 * DAY_SECONDS),
        "jobRetentionDays": (settings.job_retention_days, LEAST_RETENTION_DAYS, 3650),
        "zipperMemoryMb": (settings.zipper_memory_mb, 512, 10_240),
        "zipperTimeoutSeconds": (settings.zipper_timeout_seconds, 60, 900),
        "zipperMaxConcurrency": (settings.zipper_max_concurrency, 2, 1000),
        "segmentMib": (settings.segment_mib, 8, 16_384),
        "maxReceiveCount": (settings.max_receive_count, 1, 1000),
        "reconcileMinutes": (settings.reconcile_minutes, 1, DAY_SECONDS // 60),
        "alarmErrorPercent": (settings.alarm_error_percent, 1, 100),
        "apiBurst": (settings.api_burst, 1, 5000),
        "apiRate": (settings.api_rate, 1, 10_000),
    }
    for name, (value, low, high) in ranges.items():
        if not low <= value <= high:
            raise InvalidSetting(name, value, f"it must be from {low:,} to {high:,}")
    if settings.log_retention_days not in LOG_RETENTION_DAYS:
        days = ", ".join(str(days) for days in LOG_RETENTION_DAYS)
        raise InvalidSetting("logRetentionDays", settings.log_retention_days, f"it must be {days}")


def _check_alarms(settings: Settings) -> None:
    if settings.alarm_email and not _EMAIL.fullmatch(settings.alarm_email):
        raise InvalidSetting("alarmEmail", settings.alarm_email, "it must be an e-mail address")
    seconds, timeout = settings.alarm_oldest_message_seconds, settings.zipper_timeout_seconds
    if not timeout < seconds <= 14 * DAY_SECONDS:
        raise InvalidSetting(
            "alarmOldestMessageSeconds",
            seconds,
            f"it must be more than zipperTimeoutSeconds, {timeout}, which a job may take, and "
            "at the most 14 days",
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
                    f"it goes with apiAuth jwt only, and apiAuth is {settings.api_auth}",
                )
        return
    if not _ISSUER.fullmatch(settings.api_jwt_issuer):
        raise InvalidSetting(
            "apiJwtIssuer", settings.api_jwt_issuer, "with apiAuth jwt it must be an https URL"
        )
    audience = settings.api_jwt_audience
    if not 1 <= len(audience) <= MAX_JWT_AUDIENCES or "" in audience:
        raise InvalidSetting(
            "apiJwtAudience",
            audience,
            f"with apiAuth jwt it must be a list of 1 to {MAX_JWT_AUDIENCES} audiences",
        )


def _check_origins(settings: Settings) -> None:
    if settings.api_cors_origins == (ANY_ORIGIN,):
        return
    for origin in settings.api_cors_origins:
        if not _ORIGIN.fullmatch(origin):
            raise InvalidSetting(
                "apiCorsOrigins",
                settings.api_cors_origins,
                "it must be a list of origins such as https://app.example.com, or of * alone",
            )


def _check_keys(settings: Settings) -> None:
    region, key = settings.region, settings.customer_key
    found = _KEY_ARN.fullmatch(key)
    if key not in (NO_KEY, CREATE_KEY) and (found is None or found[1] != region):
        raise InvalidSetting(
            "customerKey",
            key,
            f"it must be {NO_KEY}, {CREATE_KEY}, or the ARN of a key, not of an alias, in "
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
                f"it must be a list of ARNs of keys, not of aliases, such as {EXAMPLE_KEY}",
            )
