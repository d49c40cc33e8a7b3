"""Write ``docs/asyncapi.yaml``, the description of completion events, from their models.

Run ``python -m tools.asyncapi`` or ``make docs``.
"""

import json
import re
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, Field
from pydantic.alias_generators import to_camel
from pydantic.json_schema import GenerateJsonSchema

from zipjobs.errors import InvalidManifest, InvalidRequest
from zipjobs.jobs.events import DETAIL_TYPES, CompletionDetail
from zipjobs.jobs.job import FinishedArchive, Job, JobError, Status, Trigger
from zipjobs.requests.schema import parse_request
from zipjobs.requests.storage import ObjectRef

FILE = Path(__file__).resolve().parent.parent / "docs" / "asyncapi.yaml"
ASYNCAPI_VERSION = "3.0.0"
EVENTS_VERSION = "1"
SCHEMAS = "#/components/schemas/"
LINE_CHARS = 100


class CompletionEvent(BaseModel):
    """An event as EventBridge delivers it to a rule without a transformer. Fields can be added."""

    version: Literal["0"] = "0"
    id: str = Field(
        description="EventBridge's own ID. Use detail.eventId to recognize repeated events."
    )
    detail_type: Literal["Zip Job Ready", "Zip Job Failed", "Zip Job Cancelled"] = Field(
        alias="detail-type"
    )
    source: Literal["s3-zip-jobs"] = "s3-zip-jobs"
    account: str = Field(description="AWS account ID, 12 digits.")
    time: str = Field(json_schema_extra={"format": "date-time"})
    region: str
    resources: list[str]
    detail: CompletionDetail


_MESSAGES: dict[Status, tuple[str, str, dict[str, Any]]] = {
    Status.READY: (
        "zipJobReady",
        "The archives exist and are verified, each with its receipt.",
        {"archives": {"minItems": 1}, "error": {"type": "null"}},
    ),
    Status.FAILED: (
        "zipJobFailed",
        "There is no archive. `error` says why.",
        {"archives": {"maxItems": 0}, "error": {"type": "object"}},
    ),
    Status.CANCELLED: (
        "zipJobCancelled",
        "The job was cancelled. There is no archive.",
        {"archives": {"maxItems": 0}, "error": {"type": "null"}},
    ),
}
"""For each final status: message name, summary, and constraints on ``detail``."""


class _Complete(GenerateJsonSchema):
    """Marks all fields as required, because events contain fields with default values too."""

    def field_is_required(self, field: Any, total: bool) -> bool:
        return True


def description() -> dict[str, Any]:
    """Return the AsyncAPI document."""
    schema = CompletionEvent.model_json_schema(
        mode="serialization", ref_template=f"{SCHEMAS}{{model}}", schema_generator=_Complete
    )
    schemas = schema.pop("$defs")
    schemas[CompletionEvent.__name__] = schema
    names = [name for name, _, _ in _MESSAGES.values()]
    return {
        "asyncapi": ASYNCAPI_VERSION,
        "info": {
            "title": "S3 ZIP Jobs: completion events",
            "version": EVENTS_VERSION,
            "description": "When a job reaches a final status, the service sends an event to the "
            "stack's EventBridge bus. Events are delivered at least once, in any order. `eventId` "
            "is the same for every delivery of an event.",
            "license": {"name": "MIT"},
        },
        "defaultContentType": "application/json",
        "channels": {
            "completions": {
                "address": "{eventBusName}",
                "description": "The EventBridge bus. Rules on the bus send events to other "
                "targets: docs/events.md has examples.",
                "parameters": {
                    "eventBusName": {"description": "Output `eventBusName` of the stack."}
                },
                "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in names},
            }
        },
        "operations": {
            "sendCompletionEvent": {
                "action": "send",
                "channel": {"$ref": "#/channels/completions"},
                "summary": "A job reached a final status",
                "messages": [{"$ref": f"#/channels/completions/messages/{name}"} for name in names],
            }
        },
        "components": {
            "messages": {name: _message(status) for status, (name, _, _) in _MESSAGES.items()},
            "schemas": {name: _readable(found) for name, found in sorted(schemas.items())},
        },
    }


def _message(status: Status) -> dict[str, Any]:
    name, summary, more = _MESSAGES[status]
    return {
        "name": name,
        "title": DETAIL_TYPES[status],
        "summary": summary,
        "payload": {
            "allOf": [
                {"$ref": f"{SCHEMAS}{CompletionEvent.__name__}"},
                {
                    "properties": {
                        "detail-type": {"const": DETAIL_TYPES[status]},
                        "detail": {"properties": {"status": {"const": status.value}, **more}},
                    }
                },
            ]
        },
        "examples": [{"payload": example(status)}],
    }


def _readable(schema: Any) -> Any:
    """Return ``schema`` without pydantic's titles, and with JSON field names in descriptions."""
    if isinstance(schema, list):
        return [_readable(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    readable = {}
    for key, value in schema.items():
        if key == "description":
            text = re.sub(r"``(\w+)``", lambda name: f"`{to_camel(name[1])}`", value)
            readable[key] = " ".join(text.split())
        elif key != "title" or not isinstance(value, str):
            readable[key] = _readable(value)
    return readable


def example(status: Status) -> dict[str, Any]:
    """Return an example event of a job with ``status``, as JSON."""
    event = CompletionEvent.model_validate(
        {
            "id": "6a7e8feb-b491-4cf7-a9f1-bf3703467718",
            "detail-type": DETAIL_TYPES[status],
            "account": "123456789012",
            "time": "2026-11-23T19:04:46Z",
            "region": "us-east-1",
            "resources": [],
            "detail": CompletionDetail.of(_job(status)),
        }
    )
    as_json: dict[str, Any] = json.loads(event.model_dump_json(by_alias=True))
    return as_json


def _job(status: Status) -> Job:
    job_id = "baa9bdd3-af5e-5495-8e61-158e46581a62"
    finished_at = datetime.fromisoformat("2026-11-23T19:04:46.002Z")
    job = Job(
        job_id=job_id,
        status=status,
        trigger=Trigger.MANIFEST,
        request=ObjectRef(
            bucket="s3-zip-jobs-dev-manifests-407b777",
            key="manifests/q3/invoices.json",
            version_id="IYV3p45BT0ac8hjHg1houSdS1a.Mro8e",
        ),
        created_at=datetime.fromisoformat("2026-11-23T19:04:45Z"),
        started_at=datetime.fromisoformat("2026-11-23T19:04:45.906Z"),
        updated_at=finished_at,
        finished_at=finished_at,
        expires_at=0,
    )
    return job.model_copy(update=_OUTCOMES[status](job_id))


def _target(job_id: str) -> dict[str, Any]:
    return {
        "source_bucket": "s3-zip-jobs-dev-source-4ed0dd3",
        "target_bucket": "s3-zip-jobs-dev-target-7e599f2",
        "target_key": f"zips/{job_id}.zip",
        "entries_total": 2,
    }


def _ready(job_id: str) -> dict[str, Any]:
    archive = FinishedArchive(
        key=f"zips/{job_id}.zip",
        receipt_key=f"zips/{job_id}.receipt.json",
        entries=2,
        size=1_763_817,
        crc32="61948ede",
        etag='"2fe743ccfda99b820ba2468553dc575f-1"',
    )
    done = {"entries_done": 2, "bytes_done": 1_763_541, "bytes_total": 1_763_541}
    return {**_target(job_id), **done, "archives": (archive,)}


def _failed(job_id: str) -> dict[str, Any]:
    where = "s3://s3-zip-jobs-dev-manifests-407b777/manifests/q3/invoices.json"
    try:
        parse_request(b'{\n  "keys": [\n    "uploads/one.pdf",\n    7\n  ]\n}\n')
    except InvalidRequest as error:
        message = f"{where} is not a valid manifest: {error}"
        return {"error": JobError.of(InvalidManifest(message, error.problems))}
    raise AssertionError("The request should be invalid.")


_OUTCOMES = {Status.READY: _ready, Status.FAILED: _failed, Status.CANCELLED: _target}


class _Dumper(yaml.SafeDumper):
    """Writes repeated values in full instead of YAML aliases."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def text() -> str:
    """Return the document as YAML."""
    head = "# Written by `make docs` from the models in zipjobs/jobs. Do not edit.\n"
    document = yaml.dump(
        description(), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=LINE_CHARS
    )
    return head + document


if __name__ == "__main__":
    FILE.write_text(text())
