"""The public rules and recorded events that the figures are measured on; they lie beside the repository."""

from __future__ import annotations

import sys
import tarfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent / "shared" / "corpus"
ACTIVE = (
    "rules",
    "rules-emerging-threats",
    "rules-threat-hunting",
    "rules-placeholder",
    "rules-compliance",
)


def unpack_rules(folder: Path) -> list[Path]:
    """The active SigmaHQ rules, unpacked below a folder: one folder a rule set."""
    with tarfile.open(ROOT / "sigmahq" / "sigmahq-rules.tar.gz") as archive:
        archive.extractall(folder, filter="data")
    return [folder / "sigma" / name for name in ACTIVE]


def read_lines(name: str) -> list[bytes]:
    """The records of a corpus file, by its path without `.ndjson.zst`."""
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd
    with zstd.open(ROOT / f"{name}.ndjson.zst") as file:
        return file.read().splitlines()
