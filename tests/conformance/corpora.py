"""The public rules and recorded events beside the repository, and the packs made of these rules.

Nothing of them is in the repository: their licences are their own. `SIGMAC_CORPUS` names another folder of this form.
"""

from __future__ import annotations

import json
import os
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import orjson
import zstandard

import sigmac
from sigmac.compiler.build import BuildOptions, BuildResult, compile_sources
from sigmac.compiler.cache import Cache
from sigmac.compiler.diagnostics import Diagnostics, RuleError
from sigmac.compiler.documents import read_file
from sigmac.compiler.pack import write_pack
from sigmac.compiler.pipeline import load_pipelines
from sigmac.compiler.rule import Rule
from sigmac.compiler.sources import SourceFile, find_sources

FOLDER = Path(
    os.environ.get("SIGMAC_CORPUS") or Path(__file__).resolve().parents[3] / "shared" / "corpus"
)
MISSING = f"there are no corpora at {FOLDER}; SIGMAC_CORPUS names another folder"

Event = dict[str, Any]


@dataclass(frozen=True)
class Recording:
    """Recorded events, one JSON object a line; `answers` is how the files with the oracle's answers begin."""

    name: str
    file: str
    answers: str = ""

    @cached_property
    def data(self) -> bytes:
        """The lines as they were recorded."""
        raw = (FOLDER / self.file).read_bytes()
        if not self.file.endswith(".zst"):
            return raw
        with zstandard.ZstdDecompressor().stream_reader(raw) as reader:
            return reader.read()

    @cached_property
    def events(self) -> list[Event]:
        """One event a line: there are no blank lines."""
        return [orjson.loads(line) for line in self.data.splitlines()]


REGRESSION = Recording("regression", "regression/events.ndjson", "regression/")
EVTX_ATTACK = Recording("evtx-attack", "evtx-attack/events.ndjson.zst", "evtx-attack/")
OTRF_WINDOWS = Recording("otrf windows", "otrf/windows-20k.ndjson.zst", "otrf/windows-20k.")
OTRF_OTHER = Recording("otrf other", "otrf/other-5k.ndjson.zst")
RECORDINGS = (REGRESSION, EVTX_ATTACK, OTRF_WINDOWS, OTRF_OTHER)


def load_json(name: str) -> Any:
    """A JSON file of the corpora."""
    return json.loads((FOLDER / name).read_bytes())


# The folders of SigmaHQ's rules whose rules are in use.
ACTIVE = (
    "rules",
    "rules-compliance",
    "rules-emerging-threats",
    "rules-placeholder",
    "rules-threat-hunting",
)
# What `%name%` stands for where a rule asks: one plain value, one with wildcards.
PLACEHOLDER_VALUES = ("administrator", "*srv*")


@dataclass(frozen=True)
class Compiled:
    """SigmaHQ's rules compiled in one way: what the build says and the pack it makes."""

    build: BuildResult
    pack: sigmac.Pack

    @cached_property
    def matches(self) -> dict[str, frozenset[tuple[int, int]]]:
        """Name of a recording → pairs of event and rule that match, as `match_batch` says."""
        return {each.name: self.matches_of(each.data) for each in RECORDINGS}

    def matches_of(self, data: bytes) -> frozenset[tuple[int, int]]:
        """Pairs of line and rule that match, as `match_batch` says; every line is an event."""
        result = self.pack.match_batch(data)
        assert result.rejected == ()
        return frozenset(zip(result.record.tolist(), result.rule.tolist(), strict=True))


class SigmaHQ:
    """SigmaHQ's rules, unpacked into a folder of ours; packs are built there when they are first asked for."""

    def __init__(self, folder: Path):
        self._folder = folder
        with tarfile.open(FOLDER / "sigmahq" / "sigmahq-rules.tar.gz") as archive:
            archive.extractall(folder / "unpacked", filter="data")
        self.sources = find_sources([folder / "unpacked" / "sigma"])
        self._compiled: dict[tuple[Any, ...], Compiled] = {}
        self._variants: dict[tuple[Any, ...], list[tuple[Rule, ...]]] = {}

    def compile(
        self,
        *pipelines: str,
        placeholders: Mapping[str, Sequence[str]] | None = None,
        optimize: bool = True,
        sources: Sequence[SourceFile] | None = None,
    ) -> tuple[BuildResult, BuildOptions]:
        """A build without a cache, of all rules where no sources are given."""
        options = BuildOptions(
            "sigmahq",
            pipelines=pipelines,
            placeholders=placeholders or {},
            optimize=optimize,
            skip_errors=True,
        )
        return compile_sources(sources or self.sources, options, Cache(None)), options

    def compiled(self, *pipelines: str, optimize: bool = True) -> Compiled:
        """All rules, without values for placeholders."""
        key = (*pipelines, optimize)
        if key not in self._compiled:
            build, _ = self.compile(*pipelines, optimize=optimize)
            folder = self._folder / "-".join(
                ["pack", *pipelines, "optimized" if optimize else "plain"]
            )
            write_pack(build.rendered, folder)
            self._compiled[key] = Compiled(build, sigmac.load_pack(folder))
        return self._compiled[key]
