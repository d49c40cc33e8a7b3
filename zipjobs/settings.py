"""The functions' environment, typed. The only module that reads it.

``infra/functions`` declares the names and values, and ``Pulumi.yaml`` alone has the defaults. So
every setting here is required.
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
    """A function's settings, each from the environment variable of the same name in capitals."""

    model_config = ConfigDict(frozen=True, alias_generator=str.upper, extra="ignore")

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """Read the settings. Raises pydantic.ValidationError, which names what is missing."""
        return cls.model_validate(dict(environment))


class AllowListSettings(Settings):
    """Where jobs may read and write."""

    source_bucket: str
    target_bucket: str
    target_prefix: str
    allowed_sources: Locations
    allowed_targets: Locations

    @property
    def policy(self) -> AllowList:
        return AllowList(
            source_bucket=self.source_bucket,
            target_bucket=self.target_bucket,
            target_prefix=self.target_prefix,
            allowed_sources=self.allowed_sources,
            allowed_targets=self.allowed_targets,
        )


class OwnerSettings(Settings):
    """Whose the buckets are: those that ``bucket_owners`` does not name are the account's own."""

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
    """How the API knows its callers: the stack's setting ``apiAuth``."""

    IAM = "iam"
    JWT = "jwt"
    NONE = "none"


class ApiSettings(Settings):
    """What every function of the API needs."""

    api_auth: ApiAuth


class EnqueueSettings(AllowListSettings, TableSettings, OwnerSettings, ApiSettings):
    """What ``handlers/enqueue.py`` needs."""

    queue_url: str
    requests_bucket: str
    requests_prefix: str


class StatusSettings(TableSettings, OwnerSettings, ApiSettings):
    """What ``handlers/status.py`` needs."""

    presign_ttl_seconds: int


class DocsSettings(ApiSettings):
    """What ``handlers/docs.py`` needs."""


class WorkSettings(Settings):
    """Where the workers of a planned job leave things for each other."""

    work_bucket: str
    work_prefix: str


class StatusObjectSettings(Settings):
    """Where status objects stand, and where manifests are dropped."""

    target_bucket: str
    target_prefix: str
    manifest_prefix: str


class MetricsSettings(Settings):
    """What the metrics are said to be of: the stack, as its resources' names begin."""

    service_name: str


class ZipperSettings(
    AllowListSettings,
    TableSettings,
    OwnerSettings,
    WorkSettings,
    StatusObjectSettings,
    MetricsSettings,
):
    """What ``handlers/zipper.py`` needs. Lambda itself says its memory, in MB."""

    queue_url: str
    segment_mib: int
    aws_lambda_function_memory_size: int
    event_bus_name: str


class FinalizerSettings(
    TableSettings, OwnerSettings, WorkSettings, StatusObjectSettings, MetricsSettings
):
    """What ``handlers/dead_letter.py`` needs."""

    event_bus_name: str


class CancelSettings(FinalizerSettings, ApiSettings):
    """What ``handlers/cancel.py`` needs."""


class ReconcilerSettings(FinalizerSettings):
    """What ``handlers/reconciler.py`` needs."""

    queue_url: str
