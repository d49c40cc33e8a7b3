"""Sample PDFs: real ones, of mixed sizes, the same every time for the same seed."""

import io
import random
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from fpdf import FPDF
from PIL import Image

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


def generate(count: int, folder: Path, seed: int = 1) -> Iterator[Path]:
    """Write ``count`` PDFs into ``folder``; yield each one's path as soon as it is written."""
    folder.mkdir(parents=True, exist_ok=True)
    chance = random.Random(seed)  # noqa: S311  (sample data)
    scans = sorted((_scan(side, chance) for side in TILE_PIXELS), key=len)
    for number in range(1, count + 1):
        wanted = TYPICAL_BYTES * chance.lognormvariate(0, SPREAD)
        wanted = max(SMALLEST_BYTES, min(wanted, LARGEST_BYTES))
        if number % VOLUME_EVERY == 0:
            wanted = VOLUME_BYTES
        path = folder / f"document-{number:04}.pdf"
        path.write_bytes(_document(number, int(wanted), scans))
        yield path


def _document(number: int, wanted_bytes: int, scans: list[bytes]) -> bytes:
    """A PDF of about ``wanted_bytes``: a page of text, then a page per scanned image."""
    pdf = FPDF()
    pdf.set_creation_date(CREATED)
    pdf.set_title(f"Document {number}")
    pdf.add_page()
    pdf.set_font("Helvetica", size=24)
    pdf.cell(text=f"Document {number:04}", new_x="LMARGIN", new_y="NEXT")
    pdf.set_font("Helvetica", size=11)
    pdf.multi_cell(0, text="A sample document with scanned pages. " * 40)
    remaining = wanted_bytes
    for page, scan in enumerate(_choose(remaining, scans)):
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
