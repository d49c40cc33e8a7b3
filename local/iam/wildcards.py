"""The wildcards of IAM: ``*`` is any number of characters, ``?`` any one."""

import re
from collections.abc import Sequence


def wildcard_pattern(text: str) -> str:
    """A regular expression for all of what ``text`` means."""
    return re.escape(text).replace(r"\*", ".*").replace(r"\?", ".")


def any_of(texts: Sequence[str], flags: int = 0) -> re.Pattern[str]:
    """One pattern for several texts with wildcards; to be matched in full."""
    return re.compile("|".join(map(wildcard_pattern, texts)), re.DOTALL | flags)
