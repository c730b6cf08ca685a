"""The public rules and recorded events that the figures are measured on; they lie beside the repository."""

from __future__ import annotations

import tarfile
from pathlib import Path

from sigmac.runtime.records import read_blocks

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
    blocks = read_blocks(str(ROOT / f"{name}.ndjson.zst"))
    return b"".join(block.data for block in blocks).splitlines()
