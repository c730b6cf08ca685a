"""A bar chart as SVG: speeds as multiples of `orjson.loads`, on a logarithmic scale."""

from __future__ import annotations

import math
from collections.abc import Mapping
from xml.sax.saxutils import escape

from bench.figures import RESULTS, Figures, describe
from bench.timing import PARSE, PER_PARSE

_ROW, _BAR, _LABELS, _SCALE, _VALUES = 24, 14, 470, 420, 80  # pixels
_TOP = 74
_OURS, _PEER, _LINE, _TEXT = "#2f6fb3", "#9a9a9a", "#d5d5d5", "#222222"


def draw(figures: Figures, setting: Mapping[str, str]) -> str:
    """A bar for each figure that is a multiple of orjson's speed: from 1 to the right faster, to the left slower."""
    parts = {
        part: chosen
        for part, some in figures.items()
        if (chosen := [each for each in some if each.unit == PER_PARSE and each.value > 0])
    }
    values = [each.value for chosen in parts.values() for each in chosen]
    low = math.floor(math.log10(min([*values, 0.1])))
    high = math.log10(max([*values, 1])) + 0.15
    rows = sum(len(chosen) + 1 for chosen in parts.values())
    width, height = _LABELS + _SCALE + _VALUES, _TOP + rows * _ROW + 16

    def x(value: float) -> float:
        return _LABELS + (math.log10(value) - low) / (high - low) * _SCALE

    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
        f' font-family="system-ui, sans-serif" font-size="13" fill="{_TEXT}">',
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
        f'<text x="16" y="24" font-size="16" font-weight="600">Records evaluated, as a multiple of {PARSE}</text>',
        f'<text x="16" y="43" font-size="11">{escape(describe(setting))}</text>',
    ]
    for power in range(low, math.floor(high) + 1):
        at, value = x(10.0**power), 10.0**power
        stroke = f'stroke="{_TEXT}"' if power == 0 else f'stroke="{_LINE}"'
        lines.append(
            f'<line x1="{at:.1f}" y1="{_TOP}" x2="{at:.1f}" y2="{height - 12}" {stroke}/>'
            f'<text x="{at:.1f}" y="{_TOP - 6}" font-size="11" text-anchor="middle">{value:g} ×</text>'
        )
    y = _TOP
    for part, chosen in parts.items():
        y += _ROW
        lines.append(f'<text x="16" y="{y - 8}" font-weight="600">{escape(part)}</text>')
        for each in chosen:
            y += _ROW
            left, right = sorted((x(1), x(each.value)))
            color = _OURS if each.ours else _PEER
            # A bar to the left leaves no room for its value there: all values stand right of the longer end.
            lines.append(
                f'<text x="{_LABELS - 10}" y="{y - 8}" text-anchor="end">{escape(each.what)}</text>'
                f'<rect x="{left:.1f}" y="{y - 4 - _BAR}" width="{max(1, right - left):.1f}" height="{_BAR}"'
                f' fill="{color}"/>'
                f'<text x="{right + 6:.1f}" y="{y - 8}" font-size="12">{each.text.split()[0]}</text>'
            )
    return "\n".join([*lines, "</svg>", ""])


def save_chart(figures: Figures, setting: Mapping[str, str]) -> None:
    """Write `latest.svg`."""
    (RESULTS / "latest.svg").write_text(draw(figures, setting), "utf-8")
