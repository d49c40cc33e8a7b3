"""The JSON Schema of a request: what pydantic does not see of it by itself.

It accepts what the parser accepts, but for what JSON Schema cannot say: lengths in bytes of UTF-8,
and whether a glob's ranges run forwards.
"""

from typing import Any

Schema = dict[str, Any]


def _given(field: str, **value: Any) -> Schema:
    """That ``field`` is there, and such a value."""
    return {"required": [field], "properties": {field: value}}


_PREFIX = _given("prefix", type="string")
_A_LIST_IN_S3 = _given("entriesFrom", type="string")

_WAYS = [{"required": ["keys"]}, {"required": ["entries"]}, _PREFIX, _A_LIST_IN_S3]

_RULES = [
    {"if": _given("include", minItems=1), "then": _PREFIX},
    {"if": _given("exclude", minItems=1), "then": _PREFIX},
    {"if": _given("naming", const="relative"), "then": _PREFIX},
    {"if": _given("stripPrefix", type="string"), "then": _given("naming", const="path")},
    {
        "if": _given("maxArchiveBytes", type="integer"),
        "then": {"properties": {"compression": {"const": "store"}}},
    },
]


def request_schema(schema: Schema) -> None:
    """Add to the request's schema how its fields go together."""
    entry_schema(schema)
    schema["oneOf"] = _WAYS
    schema["allOf"] = _RULES


def entry_schema(schema: Schema) -> None:
    """Drop the defaults that only say that a field may be left out."""
    for field in schema["properties"].values():
        if field.get("default") in (None, []):
            field.pop("default", None)
