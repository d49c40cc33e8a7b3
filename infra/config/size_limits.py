"""What grows with the lists among the settings, and how long AWS lets it be."""

import json
import re
from collections.abc import Mapping, Sequence

from infra.config.settings import InvalidSetting, Settings

MAX_POLICY_CHARS = 10_240
"""Of all policies in a role, white space aside: "IAM and AWS STS quotas" in the IAM User Guide."""

MAX_ENVIRONMENT_BYTES = 4096
"""Of a function: "Lambda quotas" in its Developer Guide. What is measured is the JSON of it, as its
refusal shows: a quote in a value counts twice.
"""


def fitting_policy(settings: Settings, document: str) -> str:
    """The same. Raises InvalidSetting if IAM would not take it as a role's only policy."""
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
        f"a role's policy of {size:,} characters, and IAM takes {MAX_POLICY_CHARS:,}",
    )


def fitting_environment(settings: Settings, environment: Mapping[str, str]) -> Mapping[str, str]:
    """The same. Raises InvalidSetting if Lambda would not take it."""
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
        f"a function's environment of {size:,} bytes, and Lambda takes {MAX_ENVIRONMENT_BYTES:,}",
    )


def _too_long(lists: Mapping[str, Sequence[str]], why: str) -> InvalidSetting:
    """Of the longest of the lists, which are all that can make it so long."""
    longest = max(lists, key=lambda name: sum(map(len, lists[name])))
    *others, last = (name for name in lists if name != longest)
    rule = f"it must be shorter: with {', '.join(others)} and {last} it makes {why}"
    return InvalidSetting(longest, lists[longest], rule)
