"""The number of examples that hypothesis runs."""

from hypothesis import settings

DEFAULT_EXAMPLES = 100
FUZZ_EXAMPLES = 2000


def examples(count: int) -> settings:
    """Return settings for ``count`` examples in CI, and for 20 times as many in ``make fuzz``.

    Use this for tests whose examples are slow. ``settings(max_examples=...)`` would limit
    ``make fuzz``, too.
    """
    return settings(max_examples=count * settings().max_examples // DEFAULT_EXAMPLES)
