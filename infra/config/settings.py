"""The stack's settings, typed. ``Pulumi.yaml`` has the defaults, ``validation`` the limits."""

import difflib
import json
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Self

import pulumi
from pulumi.runtime.config import CONFIG, get_config_env

REQUESTS_PREFIX = "requests/"
WORK_PREFIX = "work/"
"""Prefixes in the manifest bucket for requests of API callers and segments of large jobs. Manifests
there start no job.
"""

DAY_SECONDS = 86_400

EXECUTIONS_PER_POLLER = 10
"""Concurrent invocations of a poller in provisioned mode: "Configuring scaling behavior for SQS
event source mappings" in the Lambda Developer Guide."""

NO_KEY, CREATE_KEY = "none", "create"
"""The values of ``customerKey`` that are not the ARN of a key."""


class SettingError(Exception):
    """The configuration cannot work. The message says what to change."""


class UnknownSetting(SettingError):
    """The configuration has a setting that does not exist."""

    def __init__(self, name: str, known: Sequence[str]) -> None:
        similar = difflib.get_close_matches(name, known, n=1)
        hint = f" Did you mean {similar[0]}?" if similar else ""
        super().__init__(
            f"There is no setting {name}.{hint} Remove it with `pulumi config rm {name}`."
        )


class InvalidSetting(SettingError):
    """A setting has a value that cannot work. ``rule`` says what is allowed."""

    def __init__(self, name: str, value: object, rule: str) -> None:
        super().__init__(f"Setting {name} is {json.dumps(value)}, but {rule}.")


@dataclass(frozen=True)
class Settings:
    """One field per setting in ``Pulumi.yaml``, with the same name in snake_case."""

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
    allow_source_overlap: bool
    bucket_owners: tuple[str, ...]
    presign_ttl_seconds: int
    job_retention_days: int
    archive_retention_days: int
    log_retention_days: int
    zipper_memory_mb: int
    zipper_timeout_seconds: int
    zipper_max_concurrency: int
    zipper_pollers: int
    segment_mib: int
    max_receive_count: int
    reconcile_minutes: int
    alarm_email: str
    alarm_oldest_message_seconds: int
    api_auth: str
    api_jwt_issuer: str
    api_jwt_audience: tuple[str, ...]
    api_docs: bool
    api_cors_origins: tuple[str, ...]
    api_rate: int
    completion_events_queue: bool
    tracing: bool
    customer_key: str
    source_kms_key_arns: tuple[str, ...]
    target_kms_key_arns: tuple[str, ...]
    protect_data: bool
    force_destroy: bool

    @classmethod
    def load(cls) -> Self:
        """Read the stack's configuration.

        Raises UnknownSetting, InvalidSetting or Pulumi's ConfigError.
        """
        _check_names([_camel_case(each.name) for each in fields(cls)])
        config = pulumi.Config()
        return cls(
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
            allow_source_overlap=config.require_bool("allowSourceOverlap"),
            bucket_owners=_strings(config, "bucketOwners"),
            presign_ttl_seconds=config.require_int("presignTtlSeconds"),
            job_retention_days=config.require_int("jobRetentionDays"),
            archive_retention_days=config.require_int("archiveRetentionDays"),
            log_retention_days=config.require_int("logRetentionDays"),
            zipper_memory_mb=config.require_int("zipperMemoryMb"),
            zipper_timeout_seconds=config.require_int("zipperTimeoutSeconds"),
            zipper_max_concurrency=config.require_int("zipperMaxConcurrency"),
            zipper_pollers=config.require_int("zipperPollers"),
            segment_mib=config.require_int("segmentMib"),
            max_receive_count=config.require_int("maxReceiveCount"),
            reconcile_minutes=config.require_int("reconcileMinutes"),
            alarm_email=config.require("alarmEmail"),
            alarm_oldest_message_seconds=config.require_int("alarmOldestMessageSeconds"),
            api_auth=config.require("apiAuth"),
            api_jwt_issuer=config.require("apiJwtIssuer"),
            api_jwt_audience=_strings(config, "apiJwtAudience"),
            api_docs=config.require_bool("apiDocs"),
            api_cors_origins=_strings(config, "apiCorsOrigins"),
            api_rate=config.require_int("apiRate"),
            completion_events_queue=config.require_bool("completionEventsQueue"),
            tracing=config.require_bool("tracing"),
            customer_key=config.require("customerKey"),
            source_kms_key_arns=_strings(config, "sourceKmsKeyArns"),
            target_kms_key_arns=_strings(config, "targetKmsKeyArns"),
            protect_data=config.require_bool("protectData"),
            force_destroy=config.require_bool("forceDestroy"),
        )

    @property
    def prefix(self) -> str:
        """The start of every resource's name."""
        return f"{self.resource_prefix}-{self.stack}"

    @property
    def zippers(self) -> tuple[str, int]:
        """The setting that limits how many zipper functions run at once, and their number."""
        if self.zipper_pollers:
            return "zipperPollers", self.zipper_pollers * EXECUTIONS_PER_POLLER
        return "zipperMaxConcurrency", self.zipper_max_concurrency

    @property
    def owner_ids(self) -> dict[str, str]:
        """The account IDs of other accounts' buckets, by the bucket's name."""
        return dict(owner.split("=") for owner in self.bucket_owners)


def _check_names(known: Sequence[str]) -> None:
    """Raise UnknownSetting for a name that is not in ``known``. Pulumi itself accepts any name."""
    # An engine passes the configuration in the environment, mocks in the other place.
    for key in {**get_config_env(), **CONFIG.get()}:
        namespace, _, name = key.partition(":")
        if namespace == pulumi.get_project() and name not in known:
            raise UnknownSetting(name, known)


def _camel_case(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(word.capitalize() for word in others)


def _strings(config: pulumi.Config, name: str) -> tuple[str, ...]:
    """Read a list setting. Raises InvalidSetting or Pulumi's ConfigError."""
    value = config.require_object(name)
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise InvalidSetting(name, value, "it must be a list of strings")
    return tuple(value)
