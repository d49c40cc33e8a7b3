"""Tables in documents that a command writes: between two marks, the first of which names it."""

from bench.report import DOCS

END = "<!-- end -->"


def write_between(document: str, command: str, text: str) -> None:
    """Replace what ``command`` wrote into ``docs/<document>`` before. Raises ValueError if the
    document has no place for it.
    """
    path, begin = DOCS / document, f"<!-- {command} -->\n"
    whole = path.read_text()
    start = whole.index(begin) + len(begin)
    path.write_text(f"{whole[:start]}\n{text.strip()}\n\n{whole[whole.index(END, start) :]}")


def markdown(headings: tuple[str, ...], rows: list[list[str]], names: int) -> str:
    """A table whose first ``names`` columns are text."""
    rule = "|" + "---|" * names + "---:|" * (len(headings) - names)
    lines = ["| " + " | ".join(row) + " |" for row in [list(headings), *rows]]
    return "\n".join([lines[0], rule, *lines[1:]])
