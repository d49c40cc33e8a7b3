"""Globs that match keys.

``*`` and ``?`` do not match ``/``, ``**`` does. ``**/`` at the start of a path component matches
any number of folders, including none. ``[abc]``, ``[a-z]`` and ``[!abc]`` match one character other
than ``/``. A ``[`` without a ``]`` matches itself. ``{pdf,tif}`` matches one of the alternatives,
which are globs. Braces without a comma or a counterpart match themselves. Matching is
case-sensitive.

Globs are untrusted, so they are matched by RE2, whose time is proportional to the length of the
glob times the length of the path. Python's ``re`` backtracks and can take cubic time.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

MAX_GLOBS_CHARS = 8_192
"""Characters in all globs of a request. The worst case takes 20 ms for a key of 1,024 bytes."""

MAX_BRACE_DEPTH = 10
"""Braces within braces. RE2 refuses 1,000."""

_TOKEN = re.compile(
    r"(?P<folders>(?:^|(?<=/))(?:\*\*/)+)|(?P<any>\*\*+)|(?P<star>\*)|(?P<one>\?)"
    r"|\[(?P<not>!?+)(?P<set>\][^\]]*|[^\]]+)\]|(?P<literal>.)",
    re.DOTALL,
)
_WILDCARDS = {"folders": "(?:.*/)?", "any": ".*", "star": "[^/]*", "one": "[^/]"}
_NOTHING = r"[^\x{0}-\x{10FFFF}]"
_SLASH = ord("/")


def matcher(include: Sequence[str], exclude: Sequence[str]) -> Callable[[str], bool]:
    """Return a function that tests paths. ``exclude`` wins, an empty ``include`` accepts all."""
    wanted = _any_of(include) if include else None
    unwanted = _any_of(exclude) if exclude else None

    def matches(path: str) -> bool:
        return (wanted is None or wanted.fullmatch(path) is not None) and (
            unwanted is None or unwanted.fullmatch(path) is None
        )

    return matches


def translate(glob: str) -> str:
    """Return ``glob`` as a regular expression for RE2.

    Raises ValueError for ``[z-a]``, and for braces nested more than ``MAX_BRACE_DEPTH`` deep.
    """
    pieces: list[str] = []
    groups: list[list[int]] = []  # per open brace: its piece, and those of its commas
    for token in _TOKEN.finditer(glob):
        literal = token["literal"]
        if literal == "{":
            groups.append([])
        if literal in ("{", ",") and groups:
            groups[-1].append(len(pieces))
        pieces.append(_piece(token))
        if literal == "}" and groups:
            group, *commas = groups.pop()
            if commas:
                pieces[group], pieces[-1] = "(?:", ")"
                for comma in commas:
                    pieces[comma] = "|"
        if len(groups) > MAX_BRACE_DEPTH:
            raise ValueError(f"braces are nested more than {MAX_BRACE_DEPTH} deep")
    return "".join(pieces)


def _piece(token: re.Match[str]) -> str:
    if token["literal"] is not None:
        return _escaped(ord(token["literal"]))
    if token["set"] is not None:
        ranges = "".join(f"{_escaped(low)}-{_escaped(high)}" for low, high in _ranges(token["set"]))
        if token["not"]:
            return f"[^/{ranges}]"
        return f"[{ranges}]" if ranges else _NOTHING
    return _WILDCARDS[str(token.lastgroup)]


def _ranges(members: str) -> Iterator[tuple[int, int]]:
    """Yield the first and last code point of each range in a set, without the slash."""
    rest = members
    while rest:
        low = high = rest[0]
        if len(rest) > 2 and rest[1] == "-":
            high, rest = rest[2], rest[3:]
            if low > high:
                raise ValueError(f"the range {low}-{high} is reversed")
        else:
            rest = rest[1:]
        first, last = ord(low), ord(high)
        if not first <= _SLASH <= last:
            yield first, last
            continue
        if first < _SLASH:
            yield first, _SLASH - 1
        if last > _SLASH:
            yield _SLASH + 1, last


def _escaped(code_point: int) -> str:
    return rf"\x{{{code_point:X}}}"


def _any_of(globs: Sequence[str]) -> Any:
    import re2  # here, because only the zipper needs it

    options = re2.Options()
    options.dot_nl = True  # "." is any character of a key
    options.never_capture = True
    options.log_errors = False
    return re2.compile("|".join(map(translate, globs)), options)
