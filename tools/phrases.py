"""Count phrases to avoid in code, docs and tests: ``python -m tools.phrases``.

``tools/phrases.toml`` lists the phrases. ``--list`` prints each occurrence as ``file:line``, and
``--at REVISION`` searches a commit instead of the working tree.
"""

import argparse
import io
import re
import subprocess
import tarfile
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).resolve().parent.parent
PHRASES = Path(__file__).with_suffix(".toml")
AREAS = ("code", "docs", "tests")
CODE_SUFFIXES = {".py", ".mjs", ".js", ".java", ".html", ".sh"}
DOCS_SUFFIXES = {".md"}
DOCS_FILES = {"Pulumi.yaml", "Makefile"}


def read_groups() -> dict[str, dict[str, re.Pattern[str]]]:
    """Return the compiled phrases by group and name, in the order of the file."""
    return {
        group: {
            name: re.compile(expression.replace(" ", r"[\s#]+"), re.IGNORECASE | re.MULTILINE)
            for name, expression in expressions.items()
        }
        for group, expressions in tomllib.loads(PHRASES.read_text()).items()
    }


def area_of(path: str) -> str | None:
    """Return the area that a file counts for, or None if it is not searched."""
    file = PurePosixPath(path)
    if file.suffix in DOCS_SUFFIXES or path in DOCS_FILES:
        return "docs"
    if file.suffix not in CODE_SUFFIXES or file.name in ("phrases.py", "test_phrases.py"):
        return None
    return "tests" if file.parts[0] == "tests" else "code"


def read_files(revision: str | None) -> Iterator[tuple[str, str]]:
    """Yield path and text of each searched file, of the working tree or of ``revision``."""
    if revision is None:
        for path in _git("ls-files", "-z").decode().rstrip("\0").split("\0"):
            if area_of(path) and (ROOT / path).is_file():
                yield path, (ROOT / path).read_text()
        return
    with tarfile.open(fileobj=io.BytesIO(_git("archive", revision))) as archive:
        for member in archive:
            content = archive.extractfile(member) if area_of(member.name) else None
            if content is not None:
                yield member.name, content.read().decode()


def _git(*arguments: str) -> bytes:
    return subprocess.run(  # noqa: S603  (fixed commands)
        ["git", *arguments],  # noqa: S607  (the git on the PATH)
        cwd=ROOT,
        check=True,
        stdout=subprocess.PIPE,
    ).stdout


def find(phrase: re.Pattern[str], text: str) -> Iterator[tuple[int, str]]:
    """Yield line number and text of each occurrence. Underscores count as spaces."""
    for match in phrase.finditer(text.replace("_", " ")):
        line = text.count("\n", 0, match.start()) + 1
        yield line, " ".join(text[match.start() : match.end()].split())


def main() -> None:
    """Print the counts per phrase and area, or each occurrence."""
    parser = argparse.ArgumentParser(prog="python -m tools.phrases", description=__doc__)
    parser.add_argument("paths", nargs="*", help="search only files below these paths")
    parser.add_argument("--list", action="store_true", help="print file:line of each occurrence")
    parser.add_argument("--at", metavar="REVISION", help="search this commit")
    options = parser.parse_args()
    groups = read_groups()
    counts: Counter[tuple[str, str]] = Counter()
    for path, text in read_files(options.at):
        if options.paths and not path.startswith(tuple(options.paths)):
            continue
        area = area_of(path)
        assert area is not None
        for phrases in groups.values():
            for name, phrase in phrases.items():
                for line, found in find(phrase, text):
                    counts[name, area] += 1
                    if options.list:
                        print(f"{path}:{line}: {found} ({name})")  # noqa: T201
    if not options.list:
        for row in _rows(groups, counts):
            print(row)  # noqa: T201


def _rows(
    groups: dict[str, dict[str, re.Pattern[str]]], counts: Counter[tuple[str, str]]
) -> Iterator[str]:
    """Yield the lines of the table: the phrases that occur, and subtotals."""

    def row(name: str, numbers: list[int]) -> str:
        return f"{name:<24}" + "".join(f"{number:>8}" for number in [*numbers, sum(numbers)])

    def total(names: Iterable[str]) -> list[int]:
        return [sum(counts[name, area] for name in names) for area in AREAS]

    yield f"{'':<24}" + "".join(f"{heading:>8}" for heading in [*AREAS, "all"])
    for group, phrases in groups.items():
        yield row(group, total(phrases))
        for name in sorted(phrases, key=lambda name: -sum(total([name]))):
            if any(total([name])):
                yield row(f"  {name}", total([name]))
    yield row("total", total([name for phrases in groups.values() for name in phrases]))


if __name__ == "__main__":
    main()
