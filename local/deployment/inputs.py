"""Turns what the Pulumi program declares into parameters of AWS's API."""

from collections.abc import Mapping
from typing import Any

Inputs = Mapping[str, Any]
"""A resource's inputs: camelCase, numbers as floats."""

Created = tuple[str, dict[str, Any]]
"""A resource's id, and the outputs that the AWS provider would add."""


def key_schema(inputs: Inputs) -> list[dict[str, str]]:
    """The key of a table or of an index."""
    keys = [{"AttributeName": inputs["hashKey"], "KeyType": "HASH"}]
    if range_key := inputs.get("rangeKey"):
        keys.append({"AttributeName": range_key, "KeyType": "RANGE"})
    return keys


def index_parameters(inputs: Inputs) -> dict[str, Any]:
    """A global secondary index."""
    projection: dict[str, Any] = {"ProjectionType": inputs["projectionType"]}
    if attributes := inputs.get("nonKeyAttributes"):
        projection["NonKeyAttributes"] = list(attributes)
    return {
        "IndexName": inputs["name"],
        "KeySchema": key_schema(inputs),
        "Projection": projection,
    }


def encryption_rule(rule: Mapping[str, Any]) -> dict[str, Any]:
    """How a bucket encrypts by default."""
    default = rule["applyServerSideEncryptionByDefault"]
    found = {"SSEAlgorithm": default["sseAlgorithm"]}
    if key := default.get("kmsMasterKeyId"):
        found["KMSMasterKeyID"] = key
    return {
        "ApplyServerSideEncryptionByDefault": found,
        "BucketKeyEnabled": rule.get("bucketKeyEnabled", False),
    }


def table_encryption(found: Mapping[str, Any] | None) -> dict[str, Any]:
    """The parameters that have a table encrypted, if not with a key of DynamoDB's own."""
    if not found:
        return {}
    key = found["kmsKeyArn"]
    return {"SSESpecification": {"Enabled": True, "SSEType": "KMS", "KMSMasterKeyId": key}}


def capital(name: str) -> str:
    """``keyName`` to ``KeyName``."""
    return name[:1].upper() + name[1:]


def capitals(value: Any) -> Any:
    """CamelCase keys to the API's PascalCase, and whole floats to integers, all the way down."""
    if isinstance(value, dict):
        return {capital(key): capitals(item) for key, item in value.items()}
    return int(value) if isinstance(value, float) and value.is_integer() else value
