"""Globs over keys, as regular expressions that never take exponential time.

``*`` and ``?`` stop at ``/``, ``**`` does not, ``**/`` at the start of a path's component is any
number of folders, none too. ``[abc]``, ``[a-z]`` and ``[!abc]`` are one character that is not
``/``; a ``[`` that nothing closes is itself. Upper and lower case differ.
"""

import re
from collections.abc import Callable, Sequence

_TOKEN = re.compile(
    r"(?P<folders>(?:^|(?<=/))(?:\*\*/)+)|(?P<any>\*\*+)|(?P<star>\*)|(?P<one>\?)"
    r"|\[(?P<not>!?+)(?P<set>\][^\]]*|[^\]]+)\]|(?P<literal>.)",
    re.DOTALL,
)
_GAPS = {"any": ".*?", "folders": "(?:.*?/)??", "star": "[^/]*?"}


def matcher(include: Sequence[str], exclude: Sequence[str]) -> Callable[[str], bool]:
    """Whether a path is wanted: ``exclude`` wins, and no ``include`` means everything."""
    wanted = _any_of(include) if include else None
    unwanted = _any_of(exclude) if exclude else None

    def matches(path: str) -> bool:
        return (wanted is None or wanted.match(path) is not None) and (
            unwanted is None or unwanted.match(path) is None
        )

    return matches


def translate(glob: str) -> str:
    r"""``glob`` as a regular expression of whole paths. Raises ValueError for ``[z-a]``.

    What stands between two wildcards is taken where it first fits, and for good (``(?>…)``): a
    later place would leave the second of them no more room. So failing takes time in proportion to
    the square of the path's length at the most, and not to its power of the number of wildcards.
    """
    pieces = [[("", "")]]
    for token in _TOKEN.finditer(glob):
        if token["any"] or token["folders"]:
            pieces.append([(_GAPS[str(token.lastgroup)], "")])
        elif token["star"]:
            pieces[-1].append((_GAPS["star"], ""))
        else:
            gap, text = pieces[-1][-1]
            pieces[-1][-1] = (gap, text + _one(token))
    *others, last = pieces
    *before, (gap, text) = last
    kept = "".join(f"(?>{_sequence(piece)})" for piece in others)
    return kept + _sequence(before) + gap + text + r"\Z"


def _sequence(piece: list[tuple[str, str]]) -> str:
    return "".join(
        f"(?>{gap}{text})" if gap == _GAPS["star"] else gap + text for gap, text in piece
    )


def _one(token: re.Match[str]) -> str:
    """The expression of one character: a literal, ``?``, or a set."""
    if token["one"]:
        return "[^/]"
    if token["set"] is None:
        return re.escape(token["literal"])
    return f"(?!/)[{'^' if token['not'] else ''}{_members(token['set'])}]"


def _members(members: str) -> str:
    text, rest = "", members
    while rest:
        if len(rest) > 2 and rest[1] == "-":
            low, high, rest = rest[0], rest[2], rest[3:]
            if low > high:
                raise ValueError(f"the range {low}-{high} runs backwards")
            text += f"{re.escape(low)}-{re.escape(high)}"
        else:
            text, rest = text + re.escape(rest[0]), rest[1:]
    return text


def _any_of(globs: Sequence[str]) -> re.Pattern[str]:
    return re.compile("|".join(map(translate, globs)), re.DOTALL)
