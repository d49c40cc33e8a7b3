"""The account, and the names of resources, as Pulumi's autonaming makes them."""

import hashlib

ACCOUNT_ID = "123456789012"
"""Moto's."""

SUFFIX_CHARS = 7


def physical_name(logical_name: str) -> str:
    """What Pulumi's autonaming does, with a suffix that is the same every time."""
    suffix = hashlib.sha256(logical_name.encode()).hexdigest()[:SUFFIX_CHARS]
    return f"{logical_name}-{suffix}"


def logical_name(physical_name: str) -> str:
    """The name that ``physical_name`` was made of."""
    return physical_name[: -SUFFIX_CHARS - 1]
