"""A figure, and the table and JSON that `make bench` leaves."""

from __future__ import annotations

import datetime
import importlib.metadata
import json
import math
import platform
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from sigmac import __version__

RESULTS = Path(__file__).parent / "results"
PAGE = Path(__file__).parent.parent / "docs" / "performance.md"
BEGIN, END = "<!-- bench: begin -->", "<!-- bench: end -->"
_PACKAGES = ("numpy", "orjson", "google-re2", "ahocorasick-rs")


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured value with its unit and what is to be reached, `""` where nothing is set.

    `ours` is false for what another engine does.
    """

    what: str
    value: float
    unit: str
    reach: str = ""
    ours: bool = True

    @property
    def reached(self) -> bool | None:
        """Whether the value is what is to be reached; None where nothing is set."""
        if not self.reach:
            return None
        sign, limit = self.reach.split()
        return {
            "≥": self.value >= float(limit),
            "≤": self.value <= float(limit),
            "<": self.value < float(limit),
        }[sign]

    @property
    def text(self) -> str:
        """Value and unit; three digits that count."""
        size = math.floor(math.log10(abs(self.value))) if self.value else 0
        return f"{self.value:,.{max(0, 2 - size)}f} {self.unit}"


Figures = Mapping[str, Sequence[Figure]]  # by the part that measured them


def note(text: str) -> None:
    """Say on standard error what goes on."""
    print(f"bench: {text}", file=sys.stderr, flush=True)


def best(times: Iterable[float]) -> float:
    """The least of some times: what is above it is the machine's other work."""
    return min(times)


def machine() -> dict[str, str]:
    """What the figures were measured on."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [line for line in cpuinfo.read_text().splitlines() if line.startswith("model name")]
        model = f"{len(names)} × {names[0].partition(': ')[2]}" if names else model
    versions = {name: importlib.metadata.version(name) for name in _PACKAGES}
    return {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "processor": model,
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "sigmac": __version__,
        **versions,
    }


def describe(setting: Mapping[str, str]) -> str:
    """A line about the machine."""
    return ", ".join(f"{key} {value}" for key, value in setting.items())


def table(figures: Figures) -> str:
    """A Markdown table."""
    rows = ["| what | figure | to reach | |", "| --- | ---: | ---: | --- |"]
    for part, some in figures.items():
        rows.append(f"| **{part}** | | | |")
        for each in some:
            verdict = {True: "reached", False: "**missed**", None: ""}[each.reached]
            rows.append(f"| {each.what} | {each.text} | {each.reach} | {verdict} |")
    return "\n".join(rows)


def put_table(page: str, text: str) -> str:
    """A page of documentation with a text between its two marks. Raises `ValueError` where it lacks them."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"the page has no `{BEGIN}` with `{END}` behind it")
    return f"{before}{begin}\n\n{text}\n\n{end}{after}"


def save(figures: Figures, setting: Mapping[str, str]) -> None:
    """Write `latest.json`, and the table into the page about performance."""
    RESULTS.mkdir(exist_ok=True)
    content = {
        "machine": setting,
        "figures": {part: [asdict(each) for each in some] for part, some in figures.items()},
    }
    text = json.dumps(content, indent=1, ensure_ascii=False) + "\n"
    (RESULTS / "latest.json").write_text(text, "utf-8")
    page = put_table(PAGE.read_text("utf-8"), f"{describe(setting)}\n\n{table(figures)}")
    PAGE.write_text(page, "utf-8")
