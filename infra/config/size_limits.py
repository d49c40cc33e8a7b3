"""Limits of AWS on the size of policies, environments and event patterns with settings in them."""

import json
import re
from collections.abc import Mapping, Sequence

from infra.config.settings import InvalidSetting, Settings

MAX_POLICY_CHARS = 10_240
"""For all policies of a role, without white space: "IAM and AWS STS quotas" in its User Guide."""

MAX_ENVIRONMENT_BYTES = 4096
"""For a function: "Lambda quotas" in the Lambda Developer Guide. Lambda measures the environment as
JSON, so a quote in a value counts twice.
"""


MAX_PATTERN_CHARS = 2048
"""For the event pattern of a rule: "Amazon EventBridge quotas" in its User Guide."""


def fitting_pattern(settings: Settings, pattern: str) -> str:
    """Return the pattern. Raises InvalidSetting if it is longer than EventBridge allows."""
    if len(pattern) <= MAX_PATTERN_CHARS:
        return pattern
    raise InvalidSetting(
        "manifestPrefix",
        settings.manifest_prefix,
        f"it must be shorter: the event pattern that contains it has {len(pattern):,} characters. "
        f"EventBridge allows {MAX_PATTERN_CHARS:,}",
    )


def fitting_policy(settings: Settings, document: str, other: str = "") -> str:
    """Return the document of a role's policy. ``other`` is the document of its other policy.

    Raises InvalidSetting if they are too long.
    """
    size = len(re.sub(r"\s", "", document + other))
    if size <= MAX_POLICY_CHARS:
        return document
    raise _too_long(
        {
            "allowedSources": settings.allowed_sources,
            "allowedTargets": settings.allowed_targets,
            "sourceKmsKeyArns": settings.source_kms_key_arns,
            "targetKmsKeyArns": settings.target_kms_key_arns,
            "targetPrefix": settings.target_prefix,
            "manifestPrefix": settings.manifest_prefix,
        },
        f"the policies of a role have {size:,} characters. IAM allows {MAX_POLICY_CHARS:,}",
    )


def fitting_environment(settings: Settings, environment: Mapping[str, str]) -> Mapping[str, str]:
    """Return the environment. Raises InvalidSetting if it is too large for Lambda."""
    text = json.dumps(environment, separators=(",", ":"), ensure_ascii=False)
    size = len(text.encode())
    if size <= MAX_ENVIRONMENT_BYTES:
        return environment
    raise _too_long(
        {
            "allowedSources": settings.allowed_sources,
            "allowedTargets": settings.allowed_targets,
            "bucketOwners": settings.bucket_owners,
            "targetPrefix": settings.target_prefix,
            "manifestPrefix": settings.manifest_prefix,
        },
        f"a function's environment has {size:,} bytes. Lambda allows {MAX_ENVIRONMENT_BYTES:,}",
    )


def _too_long(values: Mapping[str, Sequence[str]], why: str) -> InvalidSetting:
    """Return an error about the longest of these settings, which together are too long."""
    longest = max(values, key=lambda name: len(json.dumps(values[name], ensure_ascii=False)))
    *others, last = (name for name in values if name != longest)
    rule = f"it must be shorter: together with {', '.join(others)} and {last}, {why}"
    return InvalidSetting(longest, values[longest], rule)
