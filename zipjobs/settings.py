"""The settings of the functions. Only this module reads the environment.

``infra/functions`` declares the variables and ``Pulumi.yaml`` the defaults. Every setting is
therefore required here.
"""

import json
import os
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Json

from zipjobs.requests.allow_list import AllowList, Location
from zipjobs.s3.bucket_owners import BucketOwners


def _locations(text: Any) -> Any:
    return tuple(Location.parse(place) for place in json.loads(text))


Locations = Annotated[tuple[Location, ...], BeforeValidator(_locations)]


class Settings(BaseModel):
    """Settings of a function. ``table_name`` is read from ``TABLE_NAME``."""

    model_config = ConfigDict(frozen=True, alias_generator=str.upper, extra="ignore")

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """Read the settings. Raises pydantic.ValidationError, which names missing variables."""
        return cls.model_validate(dict(environment))


class AllowListSettings(Settings):
    """The buckets and prefixes that jobs may read and write."""

    source_bucket: str
    target_bucket: str
    target_prefix: str
    allowed_sources: Locations
    allowed_targets: Locations
    archive_retention_days: int

    @property
    def allow_list(self) -> AllowList:
        return AllowList(
            source_bucket=self.source_bucket,
            target_bucket=self.target_bucket,
            target_prefix=self.target_prefix,
            allowed_sources=self.allowed_sources,
            allowed_targets=self.allowed_targets,
            archive_retention_days=self.archive_retention_days,
        )


class OwnerSettings(Settings):
    """The AWS accounts that own the buckets: ``bucket_owners``, and this account for the others."""

    account_id: str
    bucket_owners: Json[dict[str, str]]

    @property
    def owners(self) -> BucketOwners:
        return BucketOwners(self.account_id, self.bucket_owners)


class TableSettings(Settings):
    """The job table."""

    table_name: str
    job_retention_seconds: int
    reconcile_grace_seconds: int


class ApiAuth(StrEnum):
    """The setting ``apiAuth``: how the API authenticates its callers."""

    IAM = "iam"
    JWT = "jwt"
    NONE = "none"


class ApiSettings(Settings):
    """Settings of all API functions."""

    api_auth: ApiAuth


class EnqueueSettings(AllowListSettings, TableSettings, OwnerSettings, ApiSettings):
    """Settings of ``handlers/enqueue.py``."""

    queue_url: str
    requests_bucket: str
    requests_prefix: str


class StatusSettings(TableSettings, OwnerSettings, ApiSettings):
    """Settings of ``handlers/status.py``."""

    presign_ttl_seconds: int


class DocsSettings(ApiSettings):
    """Settings of ``handlers/docs.py``."""


class WorkSettings(Settings):
    """The location of the objects that workers of a planned job store for each other."""

    work_bucket: str
    work_prefix: str


class StatusObjectSettings(Settings):
    """The location of status objects, and the prefix of manifests."""

    target_bucket: str
    target_prefix: str
    manifest_prefix: str


class MetricsSettings(Settings):
    """The service name in metrics: the prefix of the stack's resource names."""

    service_name: str


class ZipperSettings(
    AllowListSettings,
    TableSettings,
    OwnerSettings,
    WorkSettings,
    StatusObjectSettings,
    MetricsSettings,
):
    """Settings of ``handlers/zipper.py``. Lambda sets its memory size, in MB."""

    queue_url: str
    segment_mib: int
    aws_lambda_function_memory_size: int
    event_bus_name: str


class FinalizerSettings(
    TableSettings, OwnerSettings, WorkSettings, StatusObjectSettings, MetricsSettings
):
    """Settings of ``handlers/dead_letter.py``."""

    event_bus_name: str


class CancelSettings(FinalizerSettings, ApiSettings):
    """Settings of ``handlers/cancel.py``."""


class ReconcilerSettings(FinalizerSettings):
    """Settings of ``handlers/reconciler.py``."""

    queue_url: str
