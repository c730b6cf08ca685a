"""Loads and verifies a pack, and evaluates events with it: the scalar path.

An event's fields give candidates (through the gates that the compiler chose for each rule), the logsource conditions
rule out most of them, and the generated functions decide the rest. No rule is tried that no field speaks for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, overload

import numpy as np
import orjson

from sigmac.runtime import seal
from sigmac.runtime.errors import EventError, PackError
from sigmac.runtime.event import Event
from sigmac.runtime.explain import TracingEvent, explain
from sigmac.runtime.fields import Budget, Facts, FieldIndex
from sigmac.runtime.keywords import KEYWORDS, KeywordGates
from sigmac.runtime.lazy_source import LazySource
from sigmac.runtime.match import BatchResult, Explanation, Match, Rejected, Rule
from sigmac.runtime.vocabulary import Vocabulary, load_arrays

ENTRY_POINTS = "sigmac.packs"
DEFAULT_BUDGET = 64 << 20  # bytes
_MAX_ACTIVE = 4096  # logsource conditions and stream tags remembered
_LOGSOURCE_KEYS = ("product", "category", "service")

Condition = Callable[[Event], bool]


def load_pack(
    pack: str | Path,
    *,
    trusted_keys: Sequence[bytes | str] = (),
    memory_budget: int = DEFAULT_BUDGET,
) -> Pack:
    """Load a rule pack from a folder, or by the name of an installed one.

    Every file is checked against its digest before anything is imported; with `trusted_keys` (Ed25519 public keys as
    PEM, hexadecimal or 32 bytes) the pack must be signed by one of them. `memory_budget` bounds the bytes that the
    pack remembers about values. Packs share nothing: two versions can be loaded side by side.

    Raises `PackError` with one sentence where the pack is missing, damaged, changed or not trusted.
    """
    folder = find_pack(pack)
    manifest, data = seal.read_manifest(folder)
    seal.check_signature(folder, data, trusted_keys)
    files = seal.read_files(folder, manifest)
    try:
        return Pack(folder, manifest, files, memory_budget)
    except (LookupError, ValueError, TypeError) as error:
        # Every byte is as it was sealed, but no compiler of ours sealed it.
        raise PackError(f"{folder}: the parts of the pack do not fit together: {error}") from error


def find_pack(pack: str | Path) -> Path:
    """The folder of a pack that is given by its path or by the name of an installed one.

    Raises `PackError` where a name is no folder and no installed pack; what the folder holds is not looked at.
    """
    path = Path(pack)
    if isinstance(pack, str) and not path.exists() and pack.replace("-", "_").isidentifier():
        import importlib.metadata
        import importlib.util

        for entry in importlib.metadata.entry_points(group=ENTRY_POINTS, name=pack):
            spec = importlib.util.find_spec(entry.module)
            if spec is not None and spec.origin:
                return Path(spec.origin).parent
        installed = sorted(
            each.name for each in importlib.metadata.entry_points(group=ENTRY_POINTS)
        )
        known = f"; installed are {', '.join(installed)}" if installed else ""
        raise PackError(f"there is no folder and no installed pack `{pack}`{known}")
    return path


class RuleList(Sequence[Rule]):
    """The metadata of a pack's rules, each read from `rules.py` when it is first looked at."""

    def __init__(self, source: LazySource, names: Sequence[str], spans: Sequence[tuple[int, int]]):
        self._source = source
        self._names = names
        self._spans = spans
        self._header = min((first for first, _ in spans), default=1) - 1

    def __len__(self) -> int:
        return len(self._spans)

    @overload
    def __getitem__(self, index: int) -> Rule: ...
    @overload
    def __getitem__(self, index: slice) -> list[Rule]: ...
    def __getitem__(self, index: int | slice) -> Rule | list[Rule]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        if not -len(self) <= index < len(self):
            raise IndexError(f"the pack has {len(self)} rules")
        self._source.prepare(self._header)
        first, last = self._spans[index]
        rule: Rule = self._source.piece(self._names[index], first, last)
        return rule

    def __repr__(self) -> str:
        return f"<{len(self)} rules>"


class Pack:
    """A loaded rule pack. Thread-safe: evaluation shares nothing but memos of answers."""

    def __init__(
        self,
        folder: Path,
        manifest: Mapping[str, Any],
        files: Mapping[str, bytes],
        memory_budget: int,
    ):
        self.path = folder
        self.manifest = manifest
        self.name: str = manifest["name"]
        self.version: str = manifest["version"]
        arrays = load_arrays(files["tables.npz"])
        self._modules = {
            name: LazySource(data.decode("utf-8"), str(folder / name), f"{self.name}.{name[:-3]}")
            for name, data in files.items()
            if name.endswith(".py")
        }
        # For each rule: module, first line, last line, logsource function
        self._spans = [tuple(row) for row in arrays["functions"].tolist()]
        self._function_modules: list[str] = manifest["modules"]
        self._names: list[str] = manifest["rules"]
        self.rules = RuleList(
            self._modules["rules.py"],
            self._names,
            [tuple(row) for row in arrays["metadata"].tolist()],
        )
        self.conditions: list[Condition | None] = [None] * len(self._spans)
        self.budget = Budget(memory_budget)
        self._vocabulary = Vocabulary(arrays, self._matcher, self.budget)
        self._logsources: list[list[str]] = manifest["logsources"]
        self._tags: dict[tuple[tuple[str, str], ...], int] = {}
        self._dispatch = _Dispatch(self, arrays)

    def __repr__(self) -> str:
        return f"<Pack {self.name} {self.version}: {len(self.rules)} rules>"

    def __len__(self) -> int:
        return len(self.rules)

    def match(
        self,
        event: Mapping[str, Any],
        *,
        explain: bool = False,
        logsource: Mapping[str, str] | None = None,
    ) -> list[Match]:
        """The rules that match one event (a JSON object as a dict), in the order of `rules`.

        With `explain=True` each match says which selections and which values of which fields made it. `logsource`
        says what the event is (`product`, `category`, `service`): a rule that names another one is not tried.
        Raises `EventError` where the event holds what JSON cannot.
        """
        if not isinstance(event, dict):
            raise EventError(f"an event is a dict, not a {type(event).__name__}")
        return [
            Match(self.rules[i], event, self.explain(i, event) if explain else None)
            for i in self._dispatch.matching(event, self._tagged(logsource))
        ]

    def warm(self) -> None:
        """Do now what is otherwise done when an event first needs it: compile conditions, patterns and automata.

        For a service that wants even latencies from its first event on; it takes seconds for thousands of rules.
        """
        for name in {*self._function_modules, "matchers.py", "rules.py"}:
            self._modules[name].complete()
        for rule in range(len(self._spans)):
            self.condition(rule)
        self._vocabulary.warm()

    def match_batch(
        self,
        records: bytes | bytearray | memoryview,
        *,
        logsource: Mapping[str, str] | None = None,
    ) -> BatchResult:
        """The rules that match each record of a batch of raw bytes, one JSON object a line.

        Blank lines count as lines and are neither matched nor rejected; what is no JSON object comes back in
        `rejected` with line number, byte offset and reason, and never stops the others.
        """
        found: list[tuple[int, int]] = []
        rejected: list[Rejected] = []
        evaluated = position = 0
        tagged = self._tagged(logsource)
        data = bytes(records)
        for record, line in enumerate(data.split(b"\n")):
            text = line.strip(b" \t\r")
            if record == 0:
                text = text.removeprefix(b"\xef\xbb\xbf")
            if text:
                try:
                    event = parse_record(text)
                    found.extend((record, rule) for rule in self._dispatch.matching(event, tagged))
                    evaluated += 1
                except EventError as error:
                    rejected.append(Rejected(record, position, str(error)))
            position += len(line) + 1
        pairs = np.array(found, dtype=np.int32).reshape(-1, 2)
        return BatchResult(pairs[:, 0].copy(), pairs[:, 1].copy(), tuple(rejected), evaluated)

    def _tagged(self, logsource: Mapping[str, str] | None) -> int:
        """The rules that a stream of this logsource concerns, as bits: no key is set on both sides and differs."""
        if not logsource:
            return -1
        known = self._tags.get(key := tuple(sorted(logsource.items())))
        if known is None:
            wanted = [(logsource.get(name) or "").lower() for name in _LOGSOURCE_KEYS]
            known = _mask(
                rule
                for rule, have in enumerate(self._logsources)
                if all(not w or not h or w == h.lower() for w, h in zip(wanted, have, strict=True))
            )
            if len(self._tags) >= _MAX_ACTIVE:
                self._tags.clear()
            self._tags[key] = known
        return known

    def _matcher(self, name: str) -> Any:
        return self._modules["matchers.py"].prepare()[name]

    def condition(self, rule: int) -> Condition:
        """The generated function of a rule, by its index."""
        found = self.conditions[rule]
        if found is None:
            module, first, last, _ = self._spans[rule]
            found = self.conditions[rule] = self._piece(module, self._names[rule], first, last)
        return found

    def logsource(self, row: tuple[int, ...], name: str) -> Condition:
        """The generated condition that the rules of a logsource share."""
        module, first, last = row
        return self._piece(module, name, first, last)

    def _piece(self, module: int, name: str, first: int, last: int) -> Condition:
        source = self._modules[self._function_modules[module]]
        source.prepare(self._dispatch.headers[module])
        found: Condition = source.piece(name, first, last)
        return found

    def explain(self, rule: int, event: dict[str, Any]) -> Explanation:
        """Why a rule (by its index in `rules`) matches an event, or does not."""
        condition = self.condition(rule)
        module, first, last, _ = self._spans[rule]
        text = self._modules[self._function_modules[module]].lines(first, last)
        tracing = TracingEvent(event, self._vocabulary)
        return explain(text, self.rules[rule].renamed, condition.__globals__, tracing)


def parse_record(text: bytes) -> dict[str, Any]:
    """A record as a dict. Raises `EventError` saying why it is no JSON object."""
    try:
        event = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise EventError(f"not JSON: {error}") from None
    if not isinstance(event, dict):
        kind = {list: "an array", str: "a string", type(None): "null", bool: "a boolean"}
        raise EventError(f"not a JSON object but {kind.get(type(event), 'a number')}")
    return event


@dataclass(frozen=True, slots=True)
class _Active:
    """What concerns the events of one kind: the rules whose logsource condition holds, the fields of their gates."""

    rules: int
    fields: dict[str, FieldIndex]
    dotted: tuple[tuple[str, str], ...]  # first part, whole name
    keywords: KeywordGates | None


class _Dispatch:
    """From an event to the rules that match it, by way of logsources and gates."""

    def __init__(self, pack: Pack, arrays: Mapping[str, Any]):
        self._pack = pack
        self._vocabulary = pack._vocabulary
        self.headers: list[int] = arrays["headers"].tolist()
        self._always = _mask(arrays["always"].tolist())
        self._single = _mask(arrays["single"].tolist())
        rows = arrays["logsources"].tolist()
        names: list[str] = pack.manifest["logsource_functions"]
        self._groups = [(tuple(row), name) for row, name in zip(rows, names, strict=True)]
        members: list[list[int]] = [[] for _ in rows]
        free: list[int] = []
        for rule, span in enumerate(pack._spans):
            (members[span[3]] if span[3] >= 0 else free).append(rule)
        self._members = [_mask(rules) for rules in members]
        self._free = _mask(free)
        self._logsource_fields: list[str] = pack.manifest["logsource_fields"]
        self._conditions: list[Condition] | None = None
        self._active: dict[tuple[Facts, ...], _Active] = {}
        self._kinds: dict[int, _Active] = {}  # the same by their rules: many values mean one kind

    def matching(self, fields: dict[str, Any], wanted: int = -1) -> list[int]:
        """The indices of the rules that match, ascending; of those among the bits `wanted`."""
        event = Event(fields, self._vocabulary)
        active = self._active_for(event)
        candidates, seconds = self._always, self._single
        gates, known = active.fields, event.known
        try:
            for name, value in fields.items():
                index = gates.get(name)
                if index is not None:
                    found = known.get(name)
                    if found is None:
                        if value.__class__ is list:
                            found = event.facts(name)
                        else:
                            found = known[name] = index.facts_of(value)
                    candidates |= found.gates
                    seconds |= found.seconds
            for first, name in active.dotted:
                if first in fields and name not in fields:
                    found = event.facts(name)
                    candidates |= found.gates
                    seconds |= found.seconds
            if active.keywords is not None:
                opened = active.keywords.open(fields)
                candidates |= opened[0]
                seconds |= opened[1]
            condition = self._pack.condition
            return [
                rule
                for rule in _bits(candidates & seconds & active.rules & wanted)
                if condition(rule)(event)
            ]
        except UnicodeEncodeError:
            raise EventError("the event holds a lone surrogate") from None

    def _active_for(self, event: Event) -> _Active:
        """What concerns an event; remembered by the facts that the logsource conditions depend on."""
        key = tuple([event.facts(name) for name in self._logsource_fields])
        known = self._active.get(key)
        if known is None:
            if self._conditions is None:
                self._conditions = [self._pack.logsource(row, name) for row, name in self._groups]
            rules = self._free
            for condition, members in zip(self._conditions, self._members, strict=True):
                if condition(event):
                    rules |= members
            known = self._kinds.get(rules) or self._gates_of(rules)
            if len(self._active) >= _MAX_ACTIVE:
                self._active.clear()
                self._kinds.clear()
            self._active[key] = self._kinds[rules] = known
        return known

    def _gates_of(self, rules: int) -> _Active:
        indexes = {
            name: self._vocabulary.index(name)
            for name, gated in self._vocabulary.gated_rules.items()
            if gated & rules
        }
        searched = indexes.pop(KEYWORDS, None) is not None
        keywords = self._vocabulary.keyword_gates(rules) if searched else None
        dotted = tuple(sorted((name.partition(".")[0], name) for name in indexes if "." in name))
        return _Active(rules, indexes, dotted, keywords)


def _mask(rules: Iterable[int]) -> int:
    mask = 0
    for rule in rules:
        mask |= 1 << rule
    return mask


def _bits(mask: int) -> Iterator[int]:
    while mask:
        low = mask & -mask
        yield low.bit_length() - 1
        mask ^= low
