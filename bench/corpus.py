"""The public rules and recorded events that the figures are measured on; they lie beside the repository."""

from __future__ import annotations

import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from sigmac.runtime.inputs.lines import CHUNK, read_blocks

ROOT = Path(__file__).resolve().parent.parent.parent / "shared" / "corpus"
WINDOWS = "otrf/windows-200k"  # 217,696 events, 2.65 kB each, `Message` included
WINDOWS_SMALL = "otrf/windows-20k"
ATTACKS = "evtx-attack/events"
ACTIVE = (
    "rules",
    "rules-emerging-threats",
    "rules-threat-hunting",
    "rules-placeholder",
    "rules-compliance",
)


@dataclass(frozen=True, slots=True)
class Batch:
    """What `match_batch` is given, and the same records for `orjson.loads`."""

    data: bytes
    lines: list[bytes]


def unpack_rules(folder: Path) -> Path:
    """The folder of SigmaHQ's active rules, unpacked below a folder; a subfolder for each rule set."""
    with tarfile.open(ROOT / "sigmahq" / "sigmahq-rules.tar.gz") as archive:
        chosen = [each for each in archive if each.name.split("/")[1] in ACTIVE]
        archive.extractall(folder, chosen, filter="data")
    return folder / "sigma"


def read_lines(name: str) -> list[bytes]:
    """The records of a corpus file, by its path without `.ndjson.zst`."""
    return [line for batch in read_batches(name) for line in batch.lines]


def read_batches(name: str) -> Iterator[Batch]:
    """The records of a corpus file in the batches that `sigmac run` would make."""
    for block in read_blocks(str(ROOT / f"{name}.ndjson.zst")):
        yield Batch(block.data, block.data.splitlines())


def batches_of(lines: Iterable[bytes]) -> list[Batch]:
    """Records in batches of the usual size."""
    found: list[Batch] = []
    some: list[bytes] = []
    size = 0
    for line in lines:
        some.append(line)
        size += len(line) + 1
        if size >= CHUNK:
            found.append(_joined(some))
            some, size = [], 0
    return [*found, _joined(some)] if some else found


def _joined(lines: list[bytes]) -> Batch:
    return Batch(b"\n".join(lines) + b"\n", lines)
