"""What a process has used so far, as Linux tells it."""

from __future__ import annotations

import os
import re
from pathlib import Path


def processor_time(process: int) -> float:
    """Seconds that a process has used, all its threads."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def most_memory(process: int) -> float:
    """Resident megabytes at most."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{process}/status").read_text("ascii"))
    assert found is not None
    return int(found[1]) * 1024 / 1e6
