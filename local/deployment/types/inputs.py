"""Converts inputs of Pulumi resources to parameters of the AWS API."""

from collections.abc import Mapping
from typing import Any

from local.deployment.types.resource_type import Inputs


def index_parameters(inputs: Inputs) -> dict[str, Any]:
    """Return the parameters of a global secondary index."""
    projection: dict[str, Any] = {"ProjectionType": inputs["projectionType"]}
    if attributes := inputs.get("nonKeyAttributes"):
        projection["NonKeyAttributes"] = list(attributes)
    return {
        "IndexName": inputs["name"],
        "KeySchema": capitals(list(inputs["keySchemas"])),
        "Projection": projection,
    }


def encryption_rule(rule: Mapping[str, Any]) -> dict[str, Any]:
    """Return a rule of a bucket's default encryption."""
    default = rule["applyServerSideEncryptionByDefault"]
    parameters = {"SSEAlgorithm": default["sseAlgorithm"]}
    if key := default.get("kmsMasterKeyId"):
        parameters["KMSMasterKeyID"] = key
    return {
        "ApplyServerSideEncryptionByDefault": parameters,
        "BucketKeyEnabled": rule.get("bucketKeyEnabled", False),
    }


def table_encryption(inputs: Inputs | None) -> dict[str, Any]:
    """Return the parameters that encrypt a table with a customer key, if it has one."""
    if not inputs or not inputs["enabled"]:
        return {}
    key = inputs["kmsKeyArn"]
    return {"SSESpecification": {"Enabled": True, "SSEType": "KMS", "KMSMasterKeyId": key}}


def capital(name: str) -> str:
    """Convert ``keyName`` to ``KeyName``."""
    return name[:1].upper() + name[1:]


def capitals(value: Any) -> Any:
    """Convert keys from camelCase to PascalCase and whole floats to integers, recursively."""
    if isinstance(value, dict):
        return {capital(key): capitals(item) for key, item in value.items()}
    if isinstance(value, list):
        return [capitals(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
