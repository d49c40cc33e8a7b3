"""Markdown tables, and documents that contain them."""

import os
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path

DOCS = Path(__file__).resolve().parent.parent / "docs"
END = "<!-- end -->"


def markdown(headings: Sequence[str], rows: Sequence[Sequence[str]], text_columns: int = 1) -> str:
    """Return a table. Its first ``text_columns`` columns are aligned left, the others right."""
    rule = "|" + "---|" * text_columns + "---:|" * (len(headings) - text_columns)
    heading, *lines = ["| " + " | ".join(row) + " |" for row in [headings, *rows]]
    return "\n".join([heading, rule, *lines])


def write_section(document: str, command: str, text: str) -> None:
    """Replace the section of ``docs/<document>`` that ``command`` writes.

    The section is between a comment with the command and an end comment. Raises ValueError if the
    document has no such section.
    """
    path, begin = DOCS / document, f"<!-- {command} -->\n"
    whole = path.read_text()
    start = whole.index(begin) + len(begin)
    path.write_text(f"{whole[:start]}\n{text.strip()}\n\n{whole[whole.index(END, start) :]}")


def write_from_template(name: str, values: Mapping[str, str]) -> None:
    """Write ``docs/<name>.md`` from ``docs/<name>.template.md``."""
    text = (DOCS / f"{name}.template.md").read_text()
    for key, value in {**values, "machine": machine()}.items():
        text = text.replace("{{" + key + "}}", value)
    (DOCS / f"{name}.md").write_text(text)


def machine() -> str:
    """Describe this machine."""
    return f"{os.cpu_count()} cores, Python {platform.python_version()}"
