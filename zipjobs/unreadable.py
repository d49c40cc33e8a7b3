"""One error for all source objects of a job that cannot be read."""

from bisect import insort
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import itemgetter

from zipjobs.errors import (
    PermanentError,
    SourceArchived,
    SourceEncrypted,
    SourceForbidden,
    SourceNotFound,
    UnreadableObject,
    UnreadableObjects,
)

MAX_NAMED_OBJECTS = 200
"""Objects that an error or a record names. A receipt lists all objects."""

EXAMPLES_CHARS = 1600
"""Characters of examples in a message, which a record limits to 2,000."""

_KINDS = {
    kind.code: kind for kind in (SourceNotFound, SourceForbidden, SourceArchived, SourceEncrypted)
}


UNREADABLE_CODES = frozenset(_KINDS)
"""The error codes of objects that a job can skip."""


class UnreadableTally:
    """Counts the objects of a job that cannot be read, and keeps the first errors of each kind."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._first: dict[str, list[tuple[int, UnreadableObject]]] = {}

    def __bool__(self) -> bool:
        return bool(self._counts)

    def add(self, position: int, error: UnreadableObject) -> None:
        """Add the error of the entry at ``position``, in any order."""
        self._counts[error.code] += 1
        first = self._first.setdefault(error.code, [])
        insort(first, (position, error), key=itemgetter(0))
        del first[MAX_NAMED_OBJECTS:]

    def error(self, *, is_complete: bool = True) -> PermanentError:
        """Return the error for all objects. The only error is returned as it is.

        The message counts each kind, names the options that skip them, and contains the first error
        of each kind, which says what to do. ``is_complete``: all entries of the job were checked.
        """
        codes = sorted(
            self._counts, key=lambda code: (-self._counts[code], self._first[code][0][0])
        )
        first = {code: [error for _, error in self._first[code]] for code in codes}
        total = self._counts.total()
        if total == 1 and is_complete:
            return first[codes[0]][0]
        options = " and ".join(sorted({_KINDS[code].option for code in codes}))
        message = (
            f"{total:,} object{'s' if total > 1 else ''} cannot be read: "
            f"{_counted({code: self._counts[code] for code in codes})}. "
            f"{'' if is_complete else 'Other objects were not checked. '}"
            f"Set {options} to skip to leave such objects out. For example:"
        )
        left = EXAMPLES_CHARS
        for code in codes:
            example = str(first[code][0])
            if len(example) <= left:
                left -= len(example)
                message += f" {example}"
        names = {code: [name for one in first[code] for name in one.objects] for code in codes}
        return UnreadableObjects(message, _named(names))


def none_left(skipped: Iterable[tuple[str, str]]) -> UnreadableObjects:
    """Return the error of a job whose objects are all skipped.

    ``skipped`` are their error codes and names.
    """
    counts: Counter[str] = Counter()
    first: dict[str, list[str]] = {}
    for code, name in skipped:
        counts[code] += 1
        if counts[code] <= MAX_NAMED_OBJECTS:
            first.setdefault(code, []).append(name)
    by_frequency = dict(counts.most_common())
    return UnreadableObjects(
        f"All objects were skipped, so there is nothing to zip: {_counted(by_frequency)}. "
        "Correct the request, or make the objects readable.",
        _named({code: first[code] for code in by_frequency}),
    )


def fair_shares(
    groups: Mapping[str, Sequence[str]],
    limit: int,
    take: Callable[[Sequence[str], int], Sequence[str]],
    cost: Callable[[Sequence[str]], int],
) -> dict[str, Sequence[str]]:
    """Return the first names of each group, at most ``limit`` together by their ``cost``.

    ``groups`` are in descending order of size. A large group leaves room for the others. ``take``
    returns the first names of a group that its share allows.
    """
    kept: dict[str, Sequence[str]] = dict.fromkeys(groups, ())
    for others, group in zip(range(len(groups) - 1, -1, -1), reversed(kept), strict=True):
        kept[group] = take(groups[group], limit // (others + 1))
        limit -= cost(kept[group])
    return kept


def _named(names: Mapping[str, Sequence[str]]) -> dict[str, Sequence[str]]:
    return fair_shares(names, MAX_NAMED_OBJECTS, lambda group, share: group[:share], len)


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {_KINDS[code].kind}" for code, count in counts.items())
