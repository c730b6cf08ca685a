"""A figure, and the table and JSON that `make bench` leaves."""

from __future__ import annotations

import datetime
import importlib.metadata
import json
import platform
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from sigmac import __version__

RESULTS = Path(__file__).parent / "results"
_PACKAGES = ("numpy", "orjson", "google-re2", "ahocorasick-rs", "pyyaml", "lark")


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured value with its unit and what is to be reached, `""` where nothing is set."""

    what: str
    value: float
    unit: str
    reach: str = ""


def best(times: Iterable[float]) -> float:
    """The least of some times: what is above it is the machine's other work."""
    return min(times)


def machine() -> dict[str, str]:
    """What the figures were measured on."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [line for line in cpuinfo.read_text().splitlines() if line.startswith("model name")]
        model = names[0].partition(": ")[2] if names else model
    versions = {name: importlib.metadata.version(name) for name in _PACKAGES}
    return {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "processor": model,
        "python": platform.python_version(),
        "sigmac": __version__,
        **versions,
    }


def table(figures: Sequence[Figure]) -> str:
    """A Markdown table."""
    rows = ["| what | figure | reach |", "| --- | ---: | ---: |"]
    rows += [f"| {f.what} | {f.value:,.3g} {f.unit} | {f.reach} |" for f in figures]
    return "\n".join(rows)


def save(figures: Sequence[Figure]) -> Path:
    """Write `latest.json` and return its path."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / "latest.json"
    content = {"machine": machine(), "figures": [asdict(figure) for figure in figures]}
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", "utf-8")
    return path
