"""Sample PDFs: real ones, of mixed sizes, the same every time for the same seed."""

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
"""One document in a hundred is a bound volume of scans."""

TILE_PIXELS = (64, 96, 160, 256, 448, 768, 1280, 2560)
CREATED = datetime(2026, 1, 1, tzinfo=UTC)


TEXT = "A sample document with scanned pages. " * 40
TEXT_POINTS = 11

THREADS = min(os.cpu_count() or 1, 4)
"""Most of the work is hashing and writing, which other threads need not wait for."""


@dataclass(frozen=True)
class _Pages:
    """What all documents are made of."""

    scans: list[bytes]
    """JPEGs, the smallest first."""
    lines: list[str]
    """The text, broken: breaking it takes longer than all the rest of a small document."""


def generate(count: int, folder: Path, seed: int = 1) -> Iterator[Path]:
    """Write ``count`` PDFs into ``folder``; yield each one's path, in order, once it is written.

    They take about 1 MB each on average. A larger ``count`` adds documents, and leaves the others
    as they are. Raises OSError, and CliError if a path is not that of a regular file.
    """
    folder.mkdir(parents=True, exist_ok=True)
    chance = random.Random(seed)  # noqa: S311  (sample data)
    pages = _Pages(sorted((_scan(side, chance) for side in TILE_PIXELS), key=len), _lines())

    def write(number: int, wanted_bytes: int) -> Path:
        path = folder / f"document-{number:04}.pdf"
        document = _document(number, wanted_bytes, pages)
        with open_regular(path, is_new=True) as file:
            file.write(document)
        return path

    numbers = range(1, count + 1)
    sizes = [_size(number, chance) for number in numbers]
    with ThreadPoolExecutor(THREADS) as pool:
        yield from pool.map(write, numbers, sizes)


def _size(number: int, chance: random.Random) -> int:
    """About how many bytes a document is to have."""
    drawn = TYPICAL_BYTES * chance.lognormvariate(0, SPREAD)
    if number % VOLUME_EVERY == 0:
        return VOLUME_BYTES
    return int(max(SMALLEST_BYTES, min(drawn, LARGEST_BYTES)))


def _lines() -> list[str]:
    lines = _begun().multi_cell(0, text=TEXT, dry_run=True, output="LINES")
    return cast("list[str]", lines)


def _begun() -> FPDF:
    """A document with a page, in the font of the text."""
    pdf = FPDF()
    pdf.set_creation_date(CREATED)
    pdf.add_page()
    pdf.set_font("Helvetica", size=TEXT_POINTS)
    return pdf


def _document(number: int, wanted_bytes: int, pages: _Pages) -> bytes:
    """A PDF of about ``wanted_bytes``: a page of text, then a page per scanned image."""
    pdf = _begun()
    pdf.set_title(f"Document {number}")
    pdf.set_font_size(24)
    pdf.cell(text=f"Document {number:04}", new_x="LMARGIN", new_y="NEXT")
    pdf.set_font_size(TEXT_POINTS)
    for line in pages.lines:
        pdf.cell(text=line, new_x="LMARGIN", new_y="NEXT")
    for page, scan in enumerate(_choose(wanted_bytes, pages.scans)):
        pdf.add_page()
        # A JPEG may be followed by anything; the page number keeps equal scans apart.
        pdf.image(io.BytesIO(scan + page.to_bytes(4, "big")), w=180)
    return bytes(pdf.output())


def _choose(wanted_bytes: int, scans: list[bytes]) -> Iterator[bytes]:
    """Largest scans first, as long as they fit."""
    for scan in reversed(scans):
        while len(scan) <= wanted_bytes:
            yield scan
            wanted_bytes -= len(scan)


def _scan(side: int, chance: random.Random) -> bytes:
    """Noise, which compresses as badly as a real scan."""
    image = Image.frombytes("L", (side, side), chance.randbytes(side * side))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=90)
    return buffer.getvalue()
