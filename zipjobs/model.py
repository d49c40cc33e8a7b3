"""The base class of all values that are stored or sent as JSON, and timestamps."""

from datetime import UTC, datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, PlainSerializer, WithJsonSchema
from pydantic.alias_generators import to_camel


def utc_now() -> datetime:
    """Return the current time in UTC: the default clock."""
    return datetime.now(UTC)


def iso_utc(moment: datetime) -> str:
    """Return an RFC 3339 timestamp in UTC with milliseconds: ``2026-11-23T16:44:23.120Z``."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


Timestamp = Annotated[
    datetime,
    PlainSerializer(iso_utc, return_type=str),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]


class Model(BaseModel):
    """An immutable value with camelCase names in JSON and snake_case names in Python."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True)
