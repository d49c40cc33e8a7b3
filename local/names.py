"""The account ID and partition, and resource names as Pulumi's autonaming creates them."""

ACCOUNT_ID = "123456789012"
"""The account of moto."""

PARTITION = "aws"
"""The partition of moto's regions."""

SUFFIX_CHARS = 7


def suffixed(logical_name: str, suffix: str) -> str:
    """Return a physical name: the logical one and the first characters of ``suffix``."""
    return f"{logical_name}-{suffix[:SUFFIX_CHARS]}"


def logical_name(physical_name: str) -> str:
    """Return the name without its suffix."""
    return physical_name[: -SUFFIX_CHARS - 1]
