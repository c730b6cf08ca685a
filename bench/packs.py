"""The packs that several parts measure, each built when it is first asked for."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from bench.corpus import unpack_rules
from bench.peers.agreement import read_rules
from bench.variation import fair_sample, more_rules, write_rules

MANY = 10_000  # rules, of which fewer are a sample
WINDOWS_OPTIONS = ("--pipeline", "windows", "--logsource", "product=windows")


class Packs:
    """Packs in a folder of one run."""

    def __init__(self, folder: Path):
        self.folder = folder

    @cached_property
    def rules(self) -> Path:
        """SigmaHQ's active rules."""
        return unpack_rules(self.folder)

    @cached_property
    def windows(self) -> Path:
        """SigmaHQ's rules for Windows, with the pipeline that maps categories to event logs."""
        return self.build("windows", self.rules, WINDOWS_OPTIONS)

    @cached_property
    def whole(self) -> Path:
        """All of SigmaHQ without a pipeline: every rule looks at every event."""
        return self.build("whole", self.rules)

    @cache  # noqa: B019  # there is one of it, and it lives as long as the run
    def many(self, count: int) -> Path:
        """So many rules for Windows: SigmaHQ's and copies with other values; where they are fewer than `MANY`, a fair
        sample of so many.
        """
        return self.build(f"pack-{count}", self.write(count), WINDOWS_OPTIONS)

    def write(self, count: int) -> Path:
        """The folder of these rules."""
        documents: list[dict[str, Any]] = [
            rule
            for _, rule in read_rules(self.rules).values()
            if rule["logsource"].get("product") == "windows"
        ]
        made = more_rules(documents, max(count, MANY))
        return write_rules(fair_sample(made, count), self.folder / f"rules-{count}")

    def build(self, name: str, rules: Path, options: Sequence[str] = ()) -> Path:
        """A pack of the rules of a folder that have no error."""
        target = self.folder / name
        print(f"bench: building {name}", file=sys.stderr, flush=True)
        command = [
            sys.executable,
            "-m",
            "sigmac",
            "build",
            str(rules),
            "--skip-errors",
            "--no-cache",
        ]
        done = subprocess.run(
            [*command, *options, "-o", str(target)], capture_output=True, text=True
        )
        if done.returncode:
            sys.exit(f"bench: {name} cannot be built\n{done.stderr}")
        return target
