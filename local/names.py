"""The account ID and partition, and resource names as Pulumi's autonaming creates them."""

import hashlib

ACCOUNT_ID = "123456789012"
"""The account of moto."""

PARTITION = "aws"
"""The partition of moto's regions."""

SUFFIX_CHARS = 7


def physical_name(logical_name: str) -> str:
    """Return a name with a suffix, as Pulumi's autonaming does. The suffix is always the same."""
    suffix = hashlib.sha256(logical_name.encode()).hexdigest()[:SUFFIX_CHARS]
    return f"{logical_name}-{suffix}"


def logical_name(physical_name: str) -> str:
    """Return the name without its suffix."""
    return physical_name[: -SUFFIX_CHARS - 1]
