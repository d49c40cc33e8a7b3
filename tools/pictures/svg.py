"""The shapes of the graph, as SVG."""

from collections.abc import Sequence
from xml.sax.saxutils import escape

Point = tuple[float, float]

INK, FAINT = "#24292f", "#6e7781"
FONT = "Helvetica, Arial, sans-serif"


class Svg:
    """Collects shapes. A later shape covers earlier ones."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._shapes: list[str] = []

    def box(
        self, x: float, y: float, width: float, height: float, fill: str, dashed: bool = False
    ) -> None:
        dashes = ' stroke-dasharray="4 3"' if dashed else ""
        self._shapes.append(
            f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="6" '
            f'fill="{fill}" stroke="{FAINT}"{dashes}/>'
        )

    def text(
        self,
        x: float,
        y: float,
        text: str,
        size: float = 12,
        color: str = INK,
        anchor: str = "middle",
        bold: bool = False,
    ) -> None:
        weight = ' font-weight="bold"' if bold else ""
        self._shapes.append(
            f'<text x="{x:g}" y="{y:g}" font-size="{size:g}" fill="{color}" '
            f'text-anchor="{anchor}"{weight}>{escape(text)}</text>'
        )

    def line(
        self,
        points: Sequence[Point],
        color: str = INK,
        dashed: bool = False,
        arrow: bool = True,
        width: float = 1.3,
    ) -> None:
        dashes = ' stroke-dasharray="4 3"' if dashed else ""
        end = ' marker-end="url(#arrow)"' if arrow else ""
        path = " ".join(f"{x:g},{y:g}" for x, y in points)
        self._shapes.append(
            f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="{width:g}"'
            f"{dashes}{end}/>"
        )

    def dot(self, x: float, y: float, radius: float, fill: str) -> None:
        self._shapes.append(
            f'<circle cx="{x:g}" cy="{y:g}" r="{radius:g}" fill="{fill}" stroke="{INK}"/>'
        )

    def drawn(self, width: float, height: float) -> str:
        """Return the SVG document."""
        head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" '
            f'width="{width:g}" height="{height:g}" font-family="{FONT}" role="img">'
        )
        arrow = (
            '<defs><marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" '
            f'markerHeight="7" orient="auto"><path d="M0 0L8 4L0 8z" fill="{INK}"/></marker></defs>'
        )
        background = f'<rect width="{width:g}" height="{height:g}" fill="white"/>'
        title = f"<title>{escape(self._title)}</title>"
        return "\n".join([head, title, arrow, background, *self._shapes, "</svg>", ""])
