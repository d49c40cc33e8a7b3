"""Links between the Markdown pages of the repository, and the paths that they name."""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])

_CODE_BLOCK = re.compile(r"^( *)```.*?^\1```", re.MULTILINE | re.DOTALL)
_INLINE_CODE = re.compile(r"`[^`\n]+`")
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_PATH = re.compile(
    r"`((?:bench|docs|handlers|infra|local|tests|tools|zipjobs|zipjobs_cli)/[\w./-]+)"
)
_NAME_IN_FILE = re.compile(r"`(\w+)` in\s`([\w./]+/\w+\.\w+)`")
_HEADING = re.compile(r"^#{1,6} (.+)$", re.MULTILINE)


each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


def links(text: str) -> Iterator[str]:
    """Yield the targets of links and pictures in a page, except to other sites."""
    for target in _LINK.findall(_INLINE_CODE.sub("", _CODE_BLOCK.sub("", text))):
        if not re.match(r"[a-z]+:", target):
            yield target


def anchors(text: str) -> Iterator[str]:
    """Yield the anchors that GitHub gives to the headings of a page."""
    seen: Counter[str] = Counter()
    for heading in _HEADING.findall(_CODE_BLOCK.sub("", text)):
        shown = _LINK.sub("]", heading).lower()
        slug = re.sub(r"[^\w\- ]", "", shown).replace(" ", "-")
        yield f"{slug}-{seen[slug]}" if seen[slug] else slug
        seen[slug] += 1


def broken_links(page: Path) -> Iterator[str]:
    for link in links(page.read_text()):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists():
            yield f"{link}: no such file"
        elif anchor and anchor not in anchors(target.read_text()):
            yield f"{link}: no such heading"


@each_page
def test_relative_links_and_anchors_resolve(page: Path) -> None:
    assert list(broken_links(page)) == []


@each_page
def test_paths_in_the_pages_exist(page: Path) -> None:
    named = _PATH.findall(_CODE_BLOCK.sub("", page.read_text()))
    assert [path for path in named if not (ROOT / path).exists()] == []


@each_page
def test_names_in_files_exist(page: Path) -> None:
    named = _NAME_IN_FILE.findall(_CODE_BLOCK.sub("", page.read_text()))
    missing = [
        (name, path)
        for name, path in named
        if not re.search(rf"\b{name}\b", (ROOT / path).read_text())
    ]
    assert missing == []


def test_broken_links_and_anchors_are_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "# One page: a `title`\n## One\n## One\n[a](#one-page-a-title) [b](#one-1) [c](#two)\n"
        "[d](page.md#one) [e](gone.md) [f](https://example.org/x)\n```sh\n# [g](gone.md)\n```\n"
    )
    assert list(broken_links(page)) == ["#two: no such heading", "gone.md: no such file"]
