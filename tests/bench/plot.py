"""Horizontal bars on a logarithmic scale, as SVG that reads on light and dark ground."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, floor, log10
from typing import Final, NamedTuple
from xml.sax.saxutils import escape

COLUMNS: Final = 2
WIDTH, GAP, LABEL, VALUE = 430, 30, 126, 44
"""Of a panel, between panels, of the peers' names, and of the figure behind a bar; pixels."""
BAR, PITCH, TITLE, AXIS = 12, 18, 34, 30

STYLE: Final = """\
text { font: 12px system-ui, sans-serif; fill: #374151 }
.title { font-weight: 600; font-size: 13px }
.unit, .axis { font-size: 10px; fill: #6b7280 }
.grid { stroke: #d1d5db; stroke-width: 1 }
.must { stroke: #b91c1c; stroke-width: 1.5; stroke-dasharray: 3 2 }
.other { fill: #9ca3af }
.ours { fill: #0f766e }
.pure { fill: #5eaaa3 }
.own { font-weight: 600 }
@media (prefers-color-scheme: dark) {
  text { fill: #e5e7eb }
  .unit, .axis { fill: #9ca3af }
  .grid { stroke: #4b5563 }
  .must { stroke: #f87171 }
  .other { fill: #6b7280 }
  .ours { fill: #2dd4bf }
  .pure { fill: #0d9488 }
}
"""


class Bar(NamedTuple):
    """One peer's figure; ``look`` is ours, pure or other."""

    name: str
    value: float
    look: str


class Panel(NamedTuple):
    """One case; ``must`` is marked by a line."""

    title: str
    unit: str
    bars: tuple[Bar, ...]
    must: float | None


class Scale:
    """Decades from below the least value to above the largest, on so many pixels."""

    def __init__(self, values: Sequence[float], pixels: float):
        self.low, self.high = floor(log10(min(values))), ceil(log10(max(values) * 1.001))
        self._pixels = pixels

    def __call__(self, value: float) -> float:
        """Pixels from the left."""
        return (log10(value) - self.low) / (self.high - self.low) * self._pixels

    def decades(self) -> list[float]:
        """Values of the grid's lines."""
        return [10.0**power for power in range(self.low, self.high + 1)]


def height(panel: Panel) -> int:
    """Pixels that a panel takes."""
    return TITLE + len(panel.bars) * PITCH + AXIS


def drawn(panels: Sequence[Panel]) -> str:
    """The picture."""
    panels = [panel for panel in panels if panel.bars]
    body, top, tallest = [], 10, 0
    for at, panel in enumerate(panels):
        if at and at % COLUMNS == 0:
            top, tallest = top + tallest, 0
        body.append(_panel(panel, at % COLUMNS * (WIDTH + GAP) + 10, top))
        tallest = max(tallest, height(panel))
    wide, tall = COLUMNS * (WIDTH + GAP) - GAP + 20, top + tallest + 14
    legend = "dashed: what must be reached; every step of the scale is ten times"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide} {tall}"'
        f' width="{wide}" height="{tall}" role="img">\n'
        f"<title>Metronome beside other servers, a core each</title>\n<style>\n{STYLE}</style>\n"
        + "".join(body)
        + f'<text class="axis" x="10" y="{tall - 6}">{legend}</text>\n</svg>\n'
    )


def _panel(panel: Panel, left: int, top: int) -> str:
    values = [bar.value for bar in panel.bars] + ([panel.must] if panel.must else [])
    scale = Scale(values, WIDTH - LABEL - VALUE)
    bottom = TITLE + len(panel.bars) * PITCH
    parts = [
        f'<g transform="translate({left} {top})">',
        f'<text class="title" x="0" y="14">{escape(panel.title)}</text>',
        f'<text class="unit" x="0" y="27">{escape(panel.unit)}</text>',
    ]
    for value in scale.decades():
        x = LABEL + scale(value)
        parts.append(f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{TITLE - 2}" y2="{bottom}"/>')
        parts.append(
            f'<text class="axis" x="{x:.1f}" y="{bottom + 12}" text-anchor="middle">{value:g}</text>'
        )
    for at, bar in enumerate(panel.bars):
        y, long = TITLE + at * PITCH, scale(bar.value)
        own = "" if bar.look == "other" else ' class="own"'
        name = escape(bar.name)
        parts.append(f'<text{own} x="{LABEL - 6}" y="{y + 11}" text-anchor="end">{name}</text>')
        parts.append(
            f'<rect class="{bar.look}" x="{LABEL}" y="{y + 1}" width="{long:.1f}" height="{BAR}" rx="2"/>'
        )
        parts.append(f'<text{own} x="{LABEL + long + 5:.1f}" y="{y + 11}">{bar.value:.3g}</text>')
    if panel.must:
        x = LABEL + scale(panel.must)
        parts.append(f'<line class="must" x1="{x:.1f}" x2="{x:.1f}" y1="{TITLE - 4}" y2="{bottom}"/>')
    return "\n".join([*parts, "</g>\n"])
