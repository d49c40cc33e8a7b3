"""Generate sample PDFs of mixed sizes. The same seed generates the same files."""

import io
import os
import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

from fpdf import FPDF
from PIL import Image

from zipjobs_cli.archives.regular_files import open_regular

TYPICAL_BYTES = 300_000
SMALLEST_BYTES = 50_000
LARGEST_BYTES = 10_000_000
SPREAD = 1.3
"""Standard deviation of the logarithm of the sizes: most are small, a few are large."""

VOLUME_EVERY = 100
VOLUME_BYTES = 30_000_000
"""Size of every hundredth document, like a bound volume of scans."""

TILE_PIXELS = (64, 96, 160, 256, 448, 768, 1280, 2560)
CREATED = datetime(2026, 1, 1, tzinfo=UTC)

TEXT = "A sample document with scanned pages. " * 40
TEXT_POINTS = 11

THREADS = min(os.cpu_count() or 1, 4)
"""Threads help because hashing and writing release the GIL."""


@dataclass(frozen=True)
class _Content:
    """Content that all documents share."""

    scans: list[bytes]
    """JPEGs, the smallest first."""
    lines: list[str]
    """The text in lines. Breaking it takes longer than the rest of a small document."""


def generate(count: int, folder: Path, seed: int = 1) -> Iterator[Path]:
    """Write ``count`` PDFs into ``folder``, and yield each path in order.

    The average size is about 1 MB. A larger ``count`` adds documents and does not change the
    others. Raises OSError, and CliError if a path exists and is not a regular file.
    """
    folder.mkdir(parents=True, exist_ok=True)
    chance = random.Random(seed)  # noqa: S311  (sample data)
    scans = sorted((_scan(side, chance) for side in TILE_PIXELS), key=len)
    content = _Content(scans, _lines())

    def write(number: int, size: int) -> Path:
        path = folder / f"document-{number:04}.pdf"
        document = _document(number, size, content)
        with open_regular(path, is_new=True) as file:
            file.write(document)
        return path

    numbers = range(1, count + 1)
    sizes = [_choose_size(number, chance) for number in numbers]
    with ThreadPoolExecutor(THREADS) as pool:
        yield from pool.map(write, numbers, sizes)


def _choose_size(number: int, chance: random.Random) -> int:
    """Return the approximate size of a document, in bytes."""
    size = TYPICAL_BYTES * chance.lognormvariate(0, SPREAD)
    if number % VOLUME_EVERY == 0:
        return VOLUME_BYTES
    return int(max(SMALLEST_BYTES, min(size, LARGEST_BYTES)))


def _lines() -> list[str]:
    lines = _first_page().multi_cell(0, text=TEXT, dry_run=True, output="LINES")
    return cast("list[str]", lines)


def _first_page() -> FPDF:
    """Return a document with one page and the font of the text."""
    pdf = FPDF()
    pdf.set_creation_date(CREATED)
    pdf.add_page()
    pdf.set_font("Helvetica", size=TEXT_POINTS)
    return pdf


def _document(number: int, size: int, content: _Content) -> bytes:
    """Return a PDF of about ``size`` bytes: a page of text, then pages with scanned images."""
    pdf = _first_page()
    pdf.set_title(f"Document {number}")
    pdf.set_font_size(24)
    pdf.cell(text=f"Document {number:04}", new_x="LMARGIN", new_y="NEXT")
    pdf.set_font_size(TEXT_POINTS)
    for line in content.lines:
        pdf.cell(text=line, new_x="LMARGIN", new_y="NEXT")
    for page, scan in enumerate(_choose_scans(size, content.scans)):
        pdf.add_page()
        # Readers ignore bytes after a JPEG. The page number makes each image different.
        pdf.image(io.BytesIO(scan + page.to_bytes(4, "big")), w=180)
    return bytes(pdf.output())


def _choose_scans(size: int, scans: list[bytes]) -> Iterator[bytes]:
    """Yield the largest scans that fit into ``size`` bytes."""
    for scan in reversed(scans):
        while len(scan) <= size:
            yield scan
            size -= len(scan)


def _scan(side: int, chance: random.Random) -> bytes:
    """Return a JPEG of noise, which compresses as badly as a real scan."""
    image = Image.frombytes("L", (side, side), chance.randbytes(side * side))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=90)
    return buffer.getvalue()
