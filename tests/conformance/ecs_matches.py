"""Matches of recorded events in the form of Winlogbeat, with `ecs`, beside those of the flat events, with `windows`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import orjson
import yaml

import sigmac
from sigmac.compiler.packaging.writer import write_pack
from sigmac.compiler.syntax.rule_files import SourceFile
from tests.conformance import winlogbeat
from tests.conformance.corpora import ACTIVE, REGRESSION, Event, SigmaHQ

# Files of rules that match in one form only, with the reason
DIFFERENT: Mapping[str, str] = yaml.safe_load(
    Path(__file__).with_name("ecs.yml").read_text("utf-8")
)
SHAPES: Mapping[str, Callable[[Event], Event]] = {
    "ingested, nested": lambda event: winlogbeat.nested(winlogbeat.ingested(event)),
    "ingested, dotted": winlogbeat.ingested,
    "shipped, nested": lambda event: winlogbeat.nested(winlogbeat.shipped(event)),
}

Found = set[tuple[int, str]]  # line from 0, file of the rule


def rules_in_use(sigmahq: SigmaHQ) -> list[SourceFile]:
    """SigmaHQ's rules for Windows."""
    return [each for each in sigmahq.sources if _in_use(each.source)]


def _in_use(source: str) -> bool:
    return source.split("/")[1] in ACTIVE and "/windows/" in source


def flat_matches(sigmahq: SigmaHQ) -> Found:
    """Those of the events as they were recorded, of rules in use."""
    compiled = sigmahq.pack("windows")
    found = ((record, _file(compiled.pack, rule)) for record, rule in compiled.matches(REGRESSION))
    return {(record, file) for record, file in found if _in_use(file)}


def ecs_pack(sigmahq: SigmaHQ, sources: Sequence[SourceFile], folder: Path) -> sigmac.Pack:
    """A pack of these rules; what the pipeline refuses is among the differences."""
    build = sigmahq.build("ecs", sources=sources)
    refused = {error.place.file for error in build.errors if error.code == "E_PIPELINE"}
    assert {Path(file).relative_to(sigmahq.folder).as_posix() for file in refused} <= set(DIFFERENT)
    write_pack(build.rendered, folder)
    return sigmac.load_pack(folder)


def differences(pack: sigmac.Pack, shape: str, flat: Found) -> Iterator[tuple[int, str]]:
    """Matches of one form that the other has not."""
    data = b"\n".join(orjson.dumps(SHAPES[shape](event)) for event in REGRESSION.events)
    result = pack.match_batch(data, logsource={"product": "windows"})
    assert (result.records, result.rejected) == (len(REGRESSION.events), ())
    pairs = zip(result.record.tolist(), result.rule.tolist(), strict=True)
    yield from sorted(flat ^ {(record, _file(pack, rule)) for record, rule in pairs})


def _file(pack: sigmac.Pack, rule: int) -> str:
    return pack.rules[rule].source.rpartition(":")[0]
