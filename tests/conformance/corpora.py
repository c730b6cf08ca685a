"""The public rules and recorded events beside the repository, and the packs made of these rules.

Nothing of them is in the repository: their licences are their own. `SIGMAC_CORPUS` names another folder of this form.
"""

from __future__ import annotations

import json
import os
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import orjson

import sigmac
from sigmac.compiler.diagnostics.diagnostic import Diagnostics, RuleError
from sigmac.compiler.packaging.build import BuildOptions, BuildResult, compile_sources
from sigmac.compiler.packaging.build_cache import Cache
from sigmac.compiler.packaging.writer import write_pack
from sigmac.compiler.pipeline import load_pipelines
from sigmac.compiler.syntax.documents import read_file
from sigmac.compiler.syntax.rule import Rule
from sigmac.compiler.syntax.rule_files import SourceFile, find_sources
from sigmac.runtime.inputs.lines import read_blocks

FOLDER = Path(
    os.environ.get("SIGMAC_CORPUS") or Path(__file__).resolve().parents[3] / "shared" / "corpus"
)
MISSING = f"there are no corpora at {FOLDER}; SIGMAC_CORPUS names another folder"

# The folders of SigmaHQ's rules that are in use, and those of rules that no longer or not yet are.
ACTIVE = (
    "rules",
    "rules-compliance",
    "rules-emerging-threats",
    "rules-placeholder",
    "rules-threat-hunting",
)
RETIRED = ("deprecated", "unsupported", "other")

Event = dict[str, Any]


@dataclass(frozen=True)
class Recording:
    """Recorded events, one JSON object a line; the names of their oracle's files begin with `oracle`."""

    name: str
    file: str
    oracle: str = ""

    @cached_property
    def data(self) -> bytes:
        """The lines as they were recorded."""
        return b"".join(block.data for block in read_blocks(str(FOLDER / self.file)))

    @cached_property
    def events(self) -> list[Event]:
        """One event a line: none is blank."""
        return [orjson.loads(line) for line in self.data.splitlines()]


REGRESSION = Recording("regression", "regression/events.ndjson", "regression/oracle")
EVTX_ATTACK = Recording("evtx-attack", "evtx-attack/events.ndjson.zst", "evtx-attack/oracle")
OTRF_WINDOWS = Recording("otrf-windows", "otrf/windows-20k.ndjson.zst", "otrf/windows-20k.oracle")
OTRF_OTHER = Recording("otrf-other", "otrf/other-5k.ndjson.zst")
RECORDINGS = (REGRESSION, EVTX_ATTACK, OTRF_WINDOWS, OTRF_OTHER)


def load_json(name: str) -> Any:
    """A JSON file of the corpora."""
    return json.loads((FOLDER / name).read_bytes())


class Compiled:
    """A pack of SigmaHQ's rules, what its build was asked for and said, and what it matches in the recordings."""

    def __init__(self, build: BuildResult, options: BuildOptions, pack: sigmac.Pack):
        self.build = build
        self.options = options
        self.pack = pack
        self._matches: dict[str, frozenset[tuple[int, int]]] = {}

    @cached_property
    def sources(self) -> list[str]:
        """Where each rule of the pack stands, as `sigma/rules/….yml:line`."""
        return [rule.source for rule in self.pack.rules]

    def matches(self, recording: Recording) -> frozenset[tuple[int, int]]:
        """(event, rule) of every match of a recording, by their positions, as `match_batch` says."""
        if recording.name not in self._matches:
            result = self.pack.match_batch(recording.data)
            assert result.rejected == ()
            pairs = zip(result.record.tolist(), result.rule.tolist(), strict=True)
            self._matches[recording.name] = frozenset(pairs)
        return self._matches[recording.name]


def _options(pipelines: tuple[str, ...], *, optimize: bool) -> BuildOptions:
    return BuildOptions("sigmahq", pipelines=pipelines, optimize=optimize, skip_errors=True)


class SigmaHQ:
    """SigmaHQ's rules, unpacked below `folder`; packs are built there once, when they are first asked for."""

    def __init__(self, folder: Path):
        self.folder = folder
        with tarfile.open(FOLDER / "sigmahq" / "sigmahq-rules.tar.gz") as archive:
            archive.extractall(folder, filter="data")
        self.sources = find_sources([folder / "sigma"])
        self._packs: dict[tuple[object, ...], Compiled] = {}

    def build(
        self,
        *pipelines: str,
        optimize: bool = True,
        sources: Sequence[SourceFile] | None = None,
        placeholders: Mapping[str, Sequence[str]] | None = None,
    ) -> BuildResult:
        """A build of all rules or of some, from nothing; what has errors is left out."""
        options = replace(_options(pipelines, optimize=optimize), placeholders=placeholders or {})
        return compile_sources(sources or self.sources, options, Cache(None))

    def pack(self, *pipelines: str, optimize: bool = True) -> Compiled:
        """All rules in a pack, but for those that need values for placeholders."""
        key = (*pipelines, optimize)
        if key not in self._packs:
            build = self.build(*pipelines, optimize=optimize)
            folder = self.folder / "-".join(["pack", *pipelines, "" if optimize else "plain"])
            write_pack(build.rendered, folder)
            options = _options(pipelines, optimize=optimize)
            self._packs[key] = Compiled(build, options, sigmac.load_pack(folder))
        return self._packs[key]

    @cached_property
    def rules(self) -> dict[str, Rule]:
        """Every rule that can be read, by where it stands, in the order of packs."""
        return {
            f"{source.source}:{rule.place.line}": rule
            for source in self.sources
            for rule in read_file(source.read(), source.source).rules
        }

    def variants(self, *pipelines: str) -> dict[str, tuple[Rule, ...]]:
        """Every rule as pipelines leave it; those that they refuse are not among them."""
        loaded = load_pipelines(pipelines)
        made: dict[str, tuple[Rule, ...]] = {}
        for source, rule in self.rules.items():
            try:
                made[source] = tuple(each.rule for each in loaded.apply(rule, Diagnostics()))
            except RuleError as error:
                if error.diagnostic.code != "E_PLACEHOLDER":
                    raise
        return made
