"""Globs match like their rules, and like a simple matcher that tries every possibility."""

from collections.abc import Iterator
from functools import cache

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from zipjobs.requests.globs import MAX_GLOBS_CHARS, matcher


def matches(glob: str, path: str) -> bool:
    return matcher([glob], [])(path)


@pytest.mark.parametrize(
    ("glob", "path"),
    [
        ("a.pdf", "a.pdf"),
        ("*.pdf", "a.pdf"),
        ("*.pdf", ".pdf"),
        ("*", "line\nbreak"),
        ("?.pdf", "ä.pdf"),
        ("*/*.pdf", "q3/a.pdf"),
        ("**", ""),
        ("**", "a/b/c.pdf"),
        ("**.pdf", "a/b/c.pdf"),
        ("**/*.pdf", "c.pdf"),
        ("**/*.pdf", "a/b/c.pdf"),
        ("a/**/c.pdf", "a/c.pdf"),
        ("a/**/c.pdf", "a/b/b/c.pdf"),
        ("a/**/**/c.pdf", "a/c.pdf"),
        ("a/**", "a/b/c.pdf"),
        ("a**/c.pdf", "a1/b/c.pdf"),
        ("[abc].pdf", "b.pdf"),
        ("[a-c0-9].pdf", "7.pdf"),
        ("[!a-c].pdf", "d.pdf"),
        ("[]].pdf", "].pdf"),
        ("[!]].pdf", "a.pdf"),
        ("[*].pdf", "*.pdf"),
        ("[a-].pdf", "-.pdf"),
        ("[a.pdf", "[a.pdf"),
        ("[].pdf", "[].pdf"),
        ("[!].pdf", "[!].pdf"),
        (r"a\*(1)+^$.pdf", r"a\b(1)+^$.pdf"),
        ("*.{pdf,PDF}", "a.PDF"),
        ("**/{a,b[0-9]}/*.{pdf,t?f}", "x/b7/c.tif"),
        ("{a,b{1,2}}.pdf", "b2.pdf"),
        ("a{,.bak}", "a"),
        ("{a|b,c}", "a|b"),
        ("{a}", "{a}"),
        ("{a,b", "{a,b"),
        ("a,b}", "a,b}"),
        ("{{a,b}", "{b"),
        ("[{]a,b}", "{a,b}"),
    ],
)
def test_a_glob_matches(glob: str, path: str) -> None:
    assert matches(glob, path)


@pytest.mark.parametrize(
    ("glob", "path"),
    [
        ("a.pdf", "a.pdf2"),
        ("a.pdf", "b/a.pdf"),
        ("a.pdf", "a.pdf\n"),
        ("*.pdf", "a/b.pdf"),
        ("*.pdf", "a.PDF"),
        ("*.pdf", "axpdf"),
        ("?.pdf", "/.pdf"),
        ("?.pdf", ".pdf"),
        ("**/c.pdf", "abc.pdf"),
        ("a/**/c.pdf", "a/bc.pdf"),
        ("[abc].pdf", "d.pdf"),
        ("[!a].pdf", "/.pdf"),
        ("[+-0].pdf", "/.pdf"),
        ("", "a"),
        ("*.{pdf,PDF}", "a.Pdf"),
        ("*.{pdf,PDF}", "a.{pdf,PDF}"),
        ("{a,b}c", "a"),
        ("{*,b}", "a/b"),
    ],
)
def test_a_glob_does_not_match(glob: str, path: str) -> None:
    assert not matches(glob, path)


def test_exclude_wins_over_include() -> None:
    wanted = matcher(["*.pdf", "*.txt"], ["draft*"])
    paths = ["a.pdf", "b.txt", "c.doc", "draft.pdf"]
    assert [path for path in paths if wanted(path)] == ["a.pdf", "b.txt"]


def test_without_include_all_other_keys_match() -> None:
    assert matcher([], [])("any/thing")
    assert not matcher([], ["any/**"])("any/thing")


def test_a_reversed_range_is_rejected() -> None:
    with pytest.raises(ValueError, match="z-a is reversed"):
        matcher(["[z-a]"], [])


def test_braces_that_are_nested_too_deeply_are_rejected() -> None:
    assert matches("{" * 10 + "a,b" + "}" * 10, "{" * 9 + "a" + "}" * 9)
    with pytest.raises(ValueError, match="nested more than 10 deep"):
        matcher(["{" * 11 + "a,b" + "}" * 11], [])


@pytest.mark.parametrize("glob", ["*a" * 40 + "c", "**a" * 40 + "c", "**/*a" * 40 + "c"])
def test_matching_time_does_not_explode(glob: str) -> None:
    assert not matches(glob, "a" * 1023 + "b")
    assert not matches(glob, "a/" * 511 + "ab")


WORST_GLOBS = {
    "wildcards before a long literal": ["**?*" + "ab" * 170] * 20,
    "many counters": [".*a" + "?" * n for n in range(10, 125)],
    "stars": ["*a" * 512] * 8,
    "sets": ['["-~\u0100-\uffff\U00010000-\U0010ffff]' * 700],
    "negated sets": ["[!a]**" * 1_300],
    "folders": ["**/?/" * 1_600],
    "braces": ["{a,*b,?}" * 1_000],
    "nested braces": ["{a,*{b,**" * 5 + "}}" * 5] * 50,
}


@pytest.mark.parametrize("globs", WORST_GLOBS.values(), ids=WORST_GLOBS)
def test_the_worst_globs_of_a_request_are_fast(globs: list[str]) -> None:
    """A backtracking matcher would take seconds for each key and exceed the timeout."""
    globs = list(as_many_as_allowed(globs))
    is_wanted = matcher(globs, [])
    for path in ("a" * 1024, "a/" * 512, "ab" * 512, "\u0101" * 512):
        for _ in range(25):
            is_wanted(path)


def as_many_as_allowed(globs: list[str]) -> Iterator[str]:
    """Return the first ``globs`` within the limits of a request."""
    most = MAX_GLOBS_CHARS
    for glob in globs:
        most -= len(glob)
        if most < 0:
            return
        yield glob


def expansions(glob: str) -> Iterator[str]:
    """Yield ``glob`` with each of the alternatives of its flat braces."""
    before, brace, rest = glob.partition("{")
    if not brace:
        yield glob
        return
    inside, _, after = rest.partition("}")
    for alternative in inside.split(","):
        for end in expansions(after):
            yield before + alternative + end


def reference(glob: str, path: str) -> bool:
    """Match literals, ``?``, ``*``, ``**`` and ``**/`` by trying every possibility."""

    @cache
    def fits(g: int, p: int) -> bool:
        at_component = g == 0 or glob[g - 1] == "/"
        if g == len(glob):
            return p == len(path)
        if at_component and glob.startswith("**/", g):
            starts = [i + 1 for i in range(p, len(path)) if path[i] == "/"]
            return any(fits(g + 3, start) for start in [p, *starts])
        if glob.startswith("**", g):
            after = g + 2
            while glob.startswith("*", after):
                after += 1
            return any(fits(after, q) for q in range(p, len(path) + 1))
        if glob[g] == "*":
            stop = path.find("/", p)
            return any(fits(g + 1, q) for q in range(p, (len(path) if stop < 0 else stop) + 1))
        if p == len(path):
            return False
        return (path[p] == glob[g] or (glob[g] == "?" and path[p] != "/")) and fits(g + 1, p + 1)

    return fits(0, 0)


PIECES = st.sampled_from(["a", "b", "/", "?", "*", "**", "**/", "/**/", "*a", "/a"])


@given(st.lists(PIECES, max_size=9).map("".join), st.text("ab/", max_size=14))
@example("**a*b", "abaab")
@example("**/a*b/**/b", "a/ab/b/ab/b")
def test_every_match_is_found(glob: str, path: str) -> None:
    assert matches(glob, path) == reference(glob, path)


@given(
    st.lists(st.sampled_from(["a", "/", "?", "*", "{a,b}", "{?,/}", "{a?,b}"]), max_size=6),
    st.text("ab/", max_size=8),
)
def test_braces_match_what_one_of_their_expansions_matches(pieces: list[str], path: str) -> None:
    glob = "".join(pieces)
    assert matches(glob, path) == any(reference(each, path) for each in expansions(glob))


@given(st.text("[]{,}!-a/z^\\*", max_size=12), st.text(max_size=5))
def test_any_text_is_a_glob_or_rejected(glob: str, path: str) -> None:
    try:
        matches(glob, path)
    except ValueError:
        return
