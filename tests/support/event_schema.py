"""Validate completion events against ``docs/asyncapi.yaml``, as a consumer would."""

from collections.abc import Iterator
from functools import cache
from typing import Any

import yaml
from jsonschema import Draft202012Validator

from tools.asyncapi import FILE


@cache
def document() -> Any:
    """Return the parsed file."""
    return yaml.safe_load(FILE.read_text())


def event_problems(event: Any) -> Iterator[str]:
    """Yield the differences between an event and its schema, including undocumented fields."""
    payloads = {
        message["title"]: name for name, message in document()["components"]["messages"].items()
    }
    name = payloads.get(event.get("detail-type"))
    if name is None:
        yield f"no message is titled {event.get('detail-type')}"
        return
    schema = {**document(), "$ref": f"#/components/messages/{name}/payload"}
    for error in Draft202012Validator(schema).iter_errors(event):
        yield f"{error.json_path}: {error.message}"
    yield from _undocumented_fields(event, {"$ref": "#/components/schemas/CompletionEvent"}, "$")


def _undocumented_fields(value: Any, schema: Any, path: str) -> Iterator[str]:
    if reference := schema.get("$ref"):
        schema = document()["components"]["schemas"][reference.rpartition("/")[2]]
    if "anyOf" in schema:
        schema = next((one for one in schema["anyOf"] if one.get("type") != "null"), {})
        yield from _undocumented_fields(value, schema, path)
    elif isinstance(value, dict) and "properties" not in schema:
        for name, item in value.items():
            yield from _undocumented_fields(item, schema["additionalProperties"], f"{path}.{name}")
    elif isinstance(value, dict):
        properties = schema["properties"]
        yield from (f"{path}.{name} is not described" for name in value.keys() - properties.keys())
        for name in value.keys() & properties.keys():
            yield from _undocumented_fields(value[name], properties[name], f"{path}.{name}")
    elif isinstance(value, list) and "items" in schema:
        for item in value:
            yield from _undocumented_fields(item, schema["items"], f"{path}[]")
