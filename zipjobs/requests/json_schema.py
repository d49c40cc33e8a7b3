"""The rules of the request's JSON Schema that pydantic cannot derive from its fields.

The schema accepts what the parser accepts, except for rules that JSON Schema cannot express:
lengths in bytes of UTF-8, the total length of globs, globs with a reversed range or deep braces,
days that are not in the calendar, and the order of two times or sizes.
"""

from typing import Any

Schema = dict[str, Any]


def _has(field: str, **value: Any) -> Schema:
    """Return a schema that requires ``field`` to be present, with a value of this schema."""
    return {"required": [field], "properties": {field: value}}


_PREFIX = _has("prefix", type="string")
_ENTRIES_FROM = _has("entriesFrom", type="string")

_SOURCES = [{"required": ["keys"]}, {"required": ["entries"]}, _PREFIX, _ENTRIES_FROM]

_RULES = [
    {"if": _has("include", minItems=1), "then": _PREFIX},
    {"if": _has("exclude", minItems=1), "then": _PREFIX},
    {"if": _has("modifiedAfter", type="string"), "then": _PREFIX},
    {"if": _has("modifiedBefore", type="string"), "then": _PREFIX},
    {"if": _has("minBytes", type="integer"), "then": _PREFIX},
    {"if": _has("maxBytes", type="integer"), "then": _PREFIX},
    {"if": _has("naming", const="relative"), "then": _PREFIX},
    {"if": _has("keysUrlEncoded", const=True), "then": _ENTRIES_FROM},
    {
        "if": _has("emptyFolders", const="keep"),
        "then": _has("naming", enum=["path", "relative"]),
    },
    {"if": _has("stripPrefix", type="string"), "then": _has("naming", const="path")},
    {
        "if": _has("maxArchiveBytes", type="integer"),
        "then": {"properties": {"compression": {"const": "store"}}},
    },
]


def request_schema(schema: Schema) -> None:
    """Add the rules between fields to the schema of a request."""
    entry_schema(schema)
    schema["oneOf"] = _SOURCES
    schema["allOf"] = _RULES


def entry_schema(schema: Schema) -> None:
    """Remove defaults that only say that a field is optional."""
    for field in schema["properties"].values():
        if field.get("default") in (None, []):
            field.pop("default", None)
