"""Sequences of events on pages, and the lines that come out: fenced blocks of ``yaml sequence``.

Parts between blank lines are each a rule set. Rules `a`, `b`, `c` and `d` are there in each, of `product: a` and so on,
all of `category: test`; a document that is neither rule nor correlation is what stands under `correlation`. Below stand

- ``# 10:00:20.5 a {"user": "bob"} => …``: an event at a time (``--``: none), of the rule `a` (``a,b``: of both), with
  further fields. What comes out stands behind the arrow, several with a `+` between: a match as the title of its rule,
  an alert as JSON, which may leave out keys. ``title`` is the `name`, where there is one;
- ``# restart``: the state is written, and read by another process;
- ``# order: arrival``, ``# limits: {"groups": 2, "hits": 4}``, ``# pipeline: …``, a pipeline on one line;
- ``# not counted: {"late": 1}``: what the counters say, 0 where they are not named;
- ``# error: CODE``, ``# warning: CODE``, ``# note: CODE``.
"""

from __future__ import annotations

import json
import re
import textwrap
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import orjson
import pytest

from sigmac.compiler.meaning import correlation_reference
from sigmac.compiler.packaging.build import BuildOptions, compile_sources
from sigmac.compiler.packaging.build_cache import Cache
from sigmac.compiler.packaging.writer import write_pack
from sigmac.compiler.syntax.correlation import TYPES
from sigmac.compiler.syntax.rule_files import find_sources
from sigmac.runtime import Pack, load_pack
from sigmac.runtime.correlation.correlator import Limits
from sigmac.runtime.pack.pack_correlator import PackCorrelator
from tests.rule_sets import read_rule_set
from tests.unit.test_docs import PAGES, blocks

Plain = dict[str, Any]
WORDS = "\n---\n".join(
    f"title: {word}\nname: {word}\nlogsource: {{product: {word}, category: test}}\n"
    f"detection: {{selection: {{is: {word}}}, condition: selection}}"
    for word in "abcd"
)
DAY = "2026-11-28T"
EVENT = re.compile(r"^# (--|[0-9][0-9:.]*)(?: ([a-z,]+))?(?: (\{.*?\}))?(?: => (.*))?$")
SAID = re.compile(r"^# (order|limits|pipeline|not counted|error|warning|note): (.*)$")


@dataclass(slots=True)
class Sequence:
    """A rule set, its events and what comes out at each; `restarts` are positions before which the state moves on."""

    place: str
    rules: str
    events: list[Plain] = field(default_factory=list)
    lines: list[list[str | Plain]] = field(default_factory=list)
    restarts: set[int] = field(default_factory=set)
    order: str = "time"
    pipeline: str | None = None
    limits: dict[str, int] = field(default_factory=dict)
    not_counted: dict[str, int] = field(default_factory=dict)
    codes: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return self.place


def sequences(page: str) -> Iterator[Sequence]:
    for block in blocks(page):
        if block.info != "yaml sequence":
            continue
        line = block.line
        for part in block.text.split("\n\n"):
            yield sequence(f"{page}:{line}", part)
            line += part.count("\n") + 2


def sequence(place: str, part: str) -> Sequence:
    comments = [line for line in part.splitlines() if line.startswith("# ")]
    text = "\n".join(line for line in part.splitlines() if not line.startswith("# "))
    made = Sequence(place, f"{WORDS}\n---\n{documents(text, place)}")
    for line in comments:
        said, event = SAID.match(line), EVENT.match(line)
        if line == "# restart":
            made.restarts.add(len(made.events))
        elif said:
            take(made, said[1], said[2].strip())
        else:
            assert event, f"{place}: {line}"
            made.events.append(event_of(event[1], event[2], event[3]))
            made.lines.append(results(event[4] or ""))
    return made


def take(made: Sequence, word: str, value: str) -> None:
    if word in ("order", "pipeline"):
        setattr(made, word, value)
    elif word == "limits":
        made.limits = json.loads(value)
    elif word == "not counted":
        made.not_counted = json.loads(value)
    else:
        made.codes.append(value)


def documents(text: str, place: str) -> str:
    """Whole documents, each with a title."""
    made = []
    for document in text.split("\n---\n"):
        if not re.search(r"^(detection|correlation|filter):", document, re.MULTILINE):
            heads = re.findall(r"^(?:name|title|level): .*$", document, re.MULTILINE)
            rest = "\n".join(line for line in document.splitlines() if line not in heads)
            document = "\n".join([*heads, "correlation:", textwrap.indent(rest, "    ")])
        name = re.search(r"^name: (.*)$", document, re.MULTILINE)
        if not re.search(r"^title:", document, re.MULTILINE):
            document = f"title: '{name[1] if name else place}'\n{document}"
        made.append(document)
    return "\n---\n".join(made) + "\n"


def event_of(time: str, words: str | None, fields: str | None) -> Plain:
    event: Plain = {} if time == "--" else {"time": f"{DAY}{time}Z"}
    if words:
        event["is"] = words.split(",") if "," in words else words
    return event | json.loads(fields or "{}")


def results(text: str) -> list[str | Plain]:
    made: list[str | Plain] = []
    while text := text.lstrip(" +"):
        if text.startswith("{"):
            alert, end = json.JSONDecoder().raw_decode(text)
            made.append(alert)
        else:
            end = len(text.partition(" ")[0])
            made.append(text[:end])
        text = text[end:]
    return made


SEQUENCES = [each for page in PAGES for each in sequences(page)]


def as_shown(wanted: str | Plain, found: str | Plain) -> str | Plain:
    """What was found, without the keys that the page leaves out."""
    if isinstance(wanted, str) or isinstance(found, str):
        return found
    return {key: found.get(key) for key in wanted}


def assert_lines(sequence: Sequence, found: list[list[str | Plain]]) -> None:
    shown = [
        [as_shown(w, f) for w, f in zip(wanted, given, strict=True)]
        if len(wanted) == len(given)
        else given
        for wanted, given in zip(sequence.lines, found, strict=True)
    ]
    assert shown == sequence.lines


def alert_of(title: str, said: Plain) -> Plain:
    return {"title": title, **{key: said[key] for key in KEYS}}


KEYS = ("group", "value", "first", "last", "count", "events")


def test_every_type_has_a_sequence() -> None:
    shown = {t.lower() for each in SEQUENCES for t in re.findall(r"type: (\w+)", each.rules)}
    assert shown == set(TYPES)


@pytest.mark.parametrize("sequence", SEQUENCES, ids=str)
def test_a_pack_writes_the_lines_that_a_page_shows(sequence: Sequence, tmp_path: Path) -> None:
    (tmp_path / "rules.yml").write_text(sequence.rules, encoding="utf-8")
    pipelines = pipelines_of(sequence, tmp_path)
    options = BuildOptions("page", pipelines=pipelines, skip_errors=True, jobs=1)
    result = compile_sources(find_sources([tmp_path / "rules.yml"]), options, Cache(None))
    own = sequence.rules.index("\n---\n", len(WORDS))
    line = sequence.rules.count("\n", 0, own)
    codes = {each.code for each in result.diagnostics if each.place.line > line}
    assert codes - {"N_SCHEMA"} == set(sequence.codes)
    write_pack(result.rendered, tmp_path / "pack")
    found, counts = run(load_pack(tmp_path / "pack"), sequence)
    assert_lines(sequence, found)
    assert +counts == sequence.not_counted


def pipelines_of(sequence: Sequence, folder: Path) -> tuple[str, ...]:
    if sequence.pipeline is None:
        return ()
    (folder / "pipeline.yml").write_text(sequence.pipeline, encoding="utf-8")
    return (str(folder / "pipeline.yml"),)


def run(pack: Pack, sequence: Sequence) -> tuple[list[list[str | Plain]], Counter[str]]:
    data = b"".join(orjson.dumps(event) + b"\n" for event in sequence.events)
    result = pack.match_each(data)
    lines: list[list[str | Plain]] = [[] for _ in sequence.events]
    for record, rule in zip(result.record.tolist(), result.rule.tolist(), strict=True):
        if rule not in pack.silent:
            lines[record].append(pack.rules[rule].title)
    correlator = correlator_of(pack, sequence)
    observed = list(correlator.observe(data, result))
    if sequence.order == "time":
        observed.sort(key=lambda pair: pair[1].time if pair[1] else 0)
    for record, observation in observed:
        if record in sequence.restarts:
            state, correlator = correlator.snapshot(), correlator_of(pack, sequence)
            assert correlator.restore(state) == []
        for alert in correlator.take(observation):
            if not alert.correlation.silent:
                said = alert.plain()["correlation"]
                lines[record].append(alert_of(alert.correlation.title, said))
    counts = Counter({"no_time": correlator.no_time})
    for each in correlator.counts.values():
        counts.update({k: v for k, v in asdict(each).items() if k != "alerts"})
    return lines, counts


def correlator_of(pack: Pack, sequence: Sequence) -> PackCorrelator:
    return pack.correlator(limits=Limits(**sequence.limits))


@pytest.mark.parametrize("sequence", SEQUENCES, ids=str)
def test_the_naive_reading_gives_the_lines_that_a_page_shows(
    sequence: Sequence, tmp_path: Path
) -> None:
    pipelines = pipelines_of(sequence, tmp_path)
    rule_set, _ = read_rule_set(sequence.rules.encode(), pipelines)
    found = correlation_reference.evaluate(
        rule_set, sequence.events, sequence.order, correlation_reference.Limits(**sequence.limits)
    )
    silent = rule_set.silent()
    lines: list[list[str | Plain]] = [[] for _ in sequence.events]
    for position, rule in found.matches:
        if rule not in silent:
            lines[position].append(rule_set.rules[rule].meta.title)
    for alert in found.alerts:
        if not alert.silent:
            title = rule_set.correlations[alert.correlation].meta.title
            lines[alert.position].append(alert_of(title, asdict(alert)))
    assert_lines(sequence, lines)
    counts = sum(found.counters, Counter({"no_time": found.no_time}))
    assert +counts == sequence.not_counted
