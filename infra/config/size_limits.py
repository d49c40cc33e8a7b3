"""Limits of AWS on the size of policies and environments, which contain the list settings."""

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


def fitting_policy(settings: Settings, document: str) -> str:
    """Return the document. Raises InvalidSetting if it is too long for a role's only policy."""
    size = len(re.sub(r"\s", "", document))
    if size <= MAX_POLICY_CHARS:
        return document
    raise _too_long(
        {
            "allowedSources": settings.allowed_sources,
            "allowedTargets": settings.allowed_targets,
            "sourceKmsKeyArns": settings.source_kms_key_arns,
            "targetKmsKeyArns": settings.target_kms_key_arns,
        },
        f"a role's policy has {size:,} characters. IAM allows {MAX_POLICY_CHARS:,}",
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
        },
        f"a function's environment has {size:,} bytes. Lambda allows {MAX_ENVIRONMENT_BYTES:,}",
    )


def _too_long(lists: Mapping[str, Sequence[str]], why: str) -> InvalidSetting:
    """Return an error about the longest of the lists, which together are too long."""
    longest = max(lists, key=lambda name: sum(map(len, lists[name])))
    *others, last = (name for name in lists if name != longest)
    rule = f"it must be shorter: together with {', '.join(others)} and {last}, {why}"
    return InvalidSetting(longest, lists[longest], rule)
