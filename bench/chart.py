"""A bar chart as SVG: speeds as multiples of `orjson.loads`, on a logarithmic scale. Longer is faster."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping
from xml.sax.saxutils import escape

from bench.figures import RESULTS, Figures, describe
from bench.timing import PARSE, PER_PARSE

_ROW, _BAR, _SCALE, _MARGIN, _VALUE = 24, 14, 420, 16, 64  # pixels
_LETTER, _SMALL_LETTER = 7.6, 6.4  # pixels of a character at most, on the whole, in any usual font
_TITLE = f"Records evaluated, as a multiple of {PARSE}: longer is faster (logarithmic scale)"
# Colours of a light page, and of a dark one
_STYLE = """
 text { fill: #1f2328; font-family: system-ui, sans-serif; font-size: 13px }
 .small { font-size: 11px } .strong { font-weight: 600 }
 .page { fill: #ffffff } .ours { fill: #2f6fb3 } .peer { fill: #8a8f98 }
 .value { paint-order: stroke; stroke: #ffffff; stroke-width: 4px }
 .grid { stroke: #d5d9de } .one { stroke: #1f2328 }
 @media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 }
  .value { stroke: #0d1117 }
  .page { fill: #0d1117 } .ours { fill: #58a6ff } .peer { fill: #7d8590 }
  .grid { stroke: #30363d } .one { stroke: #e6edf3 }
 }
"""


def draw(figures: Figures, setting: Mapping[str, str]) -> str:
    """A bar for each figure that is a multiple of orjson's speed, from the left edge; a line stands at 1."""
    parts = {
        part: chosen
        for part, some in figures.items()
        if (chosen := [each for each in some if each.unit == PER_PARSE and each.value > 0])
    }
    shown = [each for chosen in parts.values() for each in chosen]
    values = [each.value for each in shown]
    low = math.floor(math.log10(min([*values, 0.1]) / 1.25))
    high = math.log10(max([*values, 1])) + 0.05
    longest = max((len(each.what) for each in shown), default=0)
    labels = math.ceil(_MARGIN + _LETTER * longest)
    width = max(labels + _SCALE + _VALUE, math.ceil(2 * _MARGIN + _LETTER * len(_TITLE)))
    about = textwrap.wrap(describe(setting), int((width - 2 * _MARGIN) / _SMALL_LETTER))
    top = 54 + 15 * len(about)
    height = top + _ROW * (len(shown) + len(parts)) + _MARGIN

    def x(value: float) -> float:
        return labels + 10 + (math.log10(value) - low) / (high - low) * (_SCALE - 10)

    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}">',
        f"<style>{_STYLE}</style>",
        f'<rect class="page" width="{width}" height="{height}"/>',
        f'<text class="strong" x="{_MARGIN}" y="24">{escape(_TITLE)}</text>',
    ]
    for i, line in enumerate(about):
        lines.append(f'<text class="small" x="{_MARGIN}" y="{43 + 15 * i}">{escape(line)}</text>')
    for power in range(low, math.floor(high) + 1):
        at = x(10.0**power)
        lines.append(
            f'<line class="{"grid" if power else "one"}" x1="{at:.1f}" y1="{top}" x2="{at:.1f}" y2="{height - 12}"/>'
            f'<text class="small" x="{at:.1f}" y="{top - 6}" text-anchor="middle">{10.0**power:g} ×</text>'
        )
    y = top
    for part, chosen in parts.items():
        y += _ROW
        lines.append(f'<text class="strong" x="{_MARGIN}" y="{y - 8}">{escape(part)}</text>')
        for each in chosen:
            y += _ROW
            end = x(each.value)
            lines.append(
                f'<text x="{labels}" y="{y - 8}" text-anchor="end">{escape(each.what)}</text>'
                f'<rect class="{"ours" if each.ours else "peer"}" x="{labels + 10}" y="{y - 4 - _BAR}"'
                f' width="{max(1, end - labels - 10):.1f}" height="{_BAR}"/>'
                f'<text class="small value" x="{end + 6:.1f}" y="{y - 8}">{each.text.split()[0]}</text>'
            )
    return "\n".join([*lines, "</svg>", ""])


def save_chart(figures: Figures, setting: Mapping[str, str]) -> None:
    """Write `latest.svg`."""
    (RESULTS / "latest.svg").write_text(draw(figures, setting), "utf-8")
