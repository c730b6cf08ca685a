"""Loads and verifies a pack, and evaluates events with it: the scalar path.

An event's fields give candidates (through the gates that the compiler chose for each rule), the logsource conditions
rule out most of them, and the generated functions decide the rest. No rule is tried that no field speaks for.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import FunctionType
from typing import TYPE_CHECKING, Any, Literal, overload

import numpy as np
from numpy.typing import NDArray

from sigmac.runtime.errors import EventError, PackError
from sigmac.runtime.match import LOGSOURCE_KEYS, BatchResult, Explanation, Match, Matches, Rule
from sigmac.runtime.pack import seal
from sigmac.runtime.pack.correlation_module import read_correlations, silent_rules
from sigmac.runtime.pack.finding import find_pack
from sigmac.runtime.pack.given_events import GivenEvents
from sigmac.runtime.pack.lazy_source import LazySource
from sigmac.runtime.pack.parts import read_tables
from sigmac.runtime.pack.trust import check_identity
from sigmac.runtime.printable import escaped
from sigmac.runtime.scalar.dispatch import MOST_VALUES, Dispatch, Wanted
from sigmac.runtime.scalar.event import Event
from sigmac.runtime.scalar.fields import Budget, mask_of
from sigmac.runtime.scalar.json_record import (
    bytes_of,
    check_values,
    parse_record,
    plain_event,
    records_in,
)
from sigmac.runtime.scalar.rejections import Rejections
from sigmac.runtime.scalar.rule_functions import Condition, Conditions
from sigmac.runtime.scalar.sightings import Seen, Sightings
from sigmac.runtime.scalar.tracing_event import TracedRule, TracingEvent, explain, traced
from sigmac.runtime.scalar.vocabulary import Vocabulary

if TYPE_CHECKING:
    from sigmac.runtime.correlation.correlator import Limits
    from sigmac.runtime.correlation.definition import Correlation
    from sigmac.runtime.engine.pool import Engines
    from sigmac.runtime.pack.pack_correlator import PackCorrelator

Tag = (
    Mapping[str, str] | Literal["auto"] | None
)  # what events are; `auto`: what they say themselves
DEFAULT_BUDGET = 64 << 20  # bytes
EVENTS_BEFORE_ENGINE = 64
# The tables that are read beside those of the scalar path
TABLES = (
    "comparisons",
    "fold",
    "gate_ends",
    "gate_rules",
    "gates",
    "literal_asked",
    "literals",
    "logsources",
    "networks",
    "pairs",
    "program_ends",
    "program_fields",
    "programs",
    "rare_fields",
    "rule_field_ends",
    "rule_fields",
    "second_gate_ends",
    "second_gate_rules",
    "second_gates",
    "string_ends",
    "strings",
    "value_questions",
)
_MAX_TAGS = 4096  # stream tags remembered
_MAX_TRACED = 4096  # rules whose functions that explain are remembered


def load_pack(
    pack: str | Path,
    *,
    trusted_keys: Iterable[bytes | str] | None = None,
    name: str | None = None,
    least_version: str | None = None,
    memory_budget: int = DEFAULT_BUDGET,
    workers: int = 1,
    max_values: int = MOST_VALUES,
) -> Pack:
    """Load a rule pack from a folder, or by the name of an installed one.

    Every file is checked against its digest before anything is imported; with `trusted_keys` (Ed25519 public keys as
    PEM, hexadecimal or 32 bytes) the pack must be signed by one of them; an empty list trusts nobody. A signature does
    not say which pack it is of: with `name` the manifest must say this name, with `least_version` no lower version
    (PEP 440). `memory_budget` bounds the bytes that the pack remembers about values, `workers` how many threads may be
    in `match_batch` at once. A record with more than `max_values` values, at any depth, is rejected. Packs share
    nothing: two versions can be loaded side by side.

    Raises `PackError` with one sentence where the pack is missing, damaged, changed or not trusted.
    """
    folder = find_pack(pack)
    manifest, data = seal.read_manifest(folder)
    seal.check_signature(folder, data, trusted_keys)
    try:
        check_identity(manifest, name, least_version)
    except PackError as error:
        raise PackError(f"{folder}: {error}") from None
    files = seal.read_files(folder, manifest)
    try:
        made = Pack(folder, manifest, files, memory_budget, workers, max_values)
    except PackError as error:
        # Every byte is as it was sealed, but no compiler of ours sealed it.
        raise PackError(f"{folder}: {error}") from error
    made.digest = hashlib.sha256(data).hexdigest()
    return made


def _load_again(
    folder: Path, digest: str, memory_budget: int, workers: int, max_values: int
) -> Pack:
    """The pack that was pickled, as long as it lies where it lay and is the same."""
    pack = load_pack(folder, memory_budget=memory_budget, workers=workers, max_values=max_values)
    if pack.digest != digest:
        raise PackError(f"{folder}: it is another pack than the one that was pickled")
    return pack


class RuleList(Sequence[Rule]):
    """The metadata of a pack's rules, each read from `rules.py` when it is first looked at."""

    def __init__(self, source: LazySource, names: Sequence[str], spans: NDArray[np.int32]):
        self._source = source
        self._names = names
        self._spans = spans
        self._header = int(spans[:, 0].min()) - 1 if len(spans) else 0
        self._read: dict[int, Rule] = {}
        self._places: dict[int, int] = {}  # of what was read

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
        rule = self._read.get(index)
        if rule is None:
            self._source.prepare(self._header)
            first, last = self._spans[index].tolist()
            rule = self._source.piece(self._names[index], first, last)
            if not isinstance(rule, Rule):
                raise PackError(f"{self._source.path}: {self._names[index]} is no rule")
            self._read[index] = rule
            self._places[id(rule)] = index % len(self)
        return rule

    def place(self, rule: Rule) -> int:
        """The index of a rule that was had from here. Raises `ValueError` for that of another pack."""
        place = self._places.get(id(rule))
        if place is None:
            raise ValueError(f"the rule {rule.title!r} is none of this pack")
        return place

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
        workers: int = 1,
        max_values: int = MOST_VALUES,
    ):
        self.path = folder
        self.manifest = manifest
        self.name: str = manifest["name"]
        self.version: str = manifest["version"]
        arrays = read_tables(manifest, files)
        self._modules = {
            name: LazySource(data, str(folder / name), f"{self.name}.{name[:-3]}")
            for name, data in files.items()
            if name.endswith(".py")
        }
        self._function_modules: list[str] = manifest["modules"]
        self._headers: list[int] = arrays["headers"].tolist()
        names: list[str] = manifest["rules"]
        self.rules = RuleList(self._modules["rules.py"], names, arrays["metadata"])
        self.budget = Budget(memory_budget)
        self.vocabulary = Vocabulary(arrays, self._matcher, self.budget)
        self._of_logsource = _by_logsource(manifest["logsources"])
        self._tags: dict[tuple[tuple[str, str], ...], int] = {}
        self._traced: dict[int, TracedRule] = {}
        self.conditions = Conditions(
            self._piece,
            names,
            arrays["functions"],
            manifest["logsource_functions"],
            arrays["logsources"],
        )
        own = [
            self.tagged(dict(zip(LOGSOURCE_KEYS, each, strict=True)))
            for each in manifest.get("event_logsources", ())
        ]
        self.dispatch = Dispatch(
            self.conditions,
            self.vocabulary,
            arrays,
            manifest["logsource_fields"],
            max_values,
            own,
        )
        self.tables = {name: arrays[name] for name in TABLES}
        self.silent = silent_rules(manifest)
        self._correlations: dict[str, Correlation] | None = None
        self._events = 0  # that `match` was given
        self._workers = workers
        self.digest = ""  # SHA-256 of the manifest, which has those of all parts
        self._engines: Engines | Literal[False] | None = None
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"<Pack {escaped(self.name)} {escaped(self.version)}: {len(self.rules)} rules>"

    def __len__(self) -> int:
        return len(self.rules)

    def __reduce__(self) -> tuple[Any, ...]:
        """Its place and its digest: another process loads it from there, and checks every file as `load_pack` does."""
        options = self.budget.limit, self._workers, self.dispatch.most_values
        return _load_again, (self.path.absolute(), self.digest, *options)

    def rule(self, rule_id: str) -> Rule:
        """The rule with an id. Raises `KeyError` where the pack has none."""
        for rule in self.rules:
            if rule.id == rule_id:
                return rule
        raise KeyError(f"the pack {self.name} has no rule with the id {rule_id!r}")

    def match(
        self,
        event: Mapping[str, Any],
        *,
        explain: bool = False,
        logsource: Tag = None,
    ) -> Matches:
        """The rules that match one event (a JSON object as a mapping), in the order of `rules`.

        With `explain=True` each match says which selections and which values of which fields made it. `logsource`
        says what the event is (`product`, `category`, `service`): a rule that names another one is not tried; with
        `auto` the event says it, where it is one of those that packs know (`sigmac formats`).
        Tuples and NumPy's arrays are JSON arrays. Raises `EventError` where the event holds what JSON cannot, whichever
        rule asks for it.
        """
        data = bytes_of(event) if event.__class__ is dict else None
        plain: Any = event
        if data is None:
            plain = plain_event(event)
            data = bytes_of(plain)
        check_values(plain, self.dispatch.most_values, None if data is None else len(data))
        return Matches(
            Match(self.rules[i], event, self.explain(i, plain) if explain else None)
            for i in self._matching(plain, data, self.tagged(logsource))
        )

    def _matching(self, event: dict[str, Any], data: bytes | None, wanted: Wanted) -> list[int]:
        """By the batch engine once there were some events: it takes a moment to load. The answers are the same."""
        if self._events < EVENTS_BEFORE_ENGINE:
            self._events += 1
        elif data is not None and (engines := self.engines()) is not None:
            engine = engines.take(wait=False)
            if engine is not None:
                try:
                    return engine.match_one(data, wanted)
                finally:
                    engines.give_back(engine)
        return self.dispatch.matching(event, wanted)

    def warm(self) -> None:
        """Do now what is otherwise done when an event first needs it: compile conditions, patterns and automata.

        For a service that wants even latencies from its first event on; it takes seconds for thousands of rules.
        """
        for name in {*self._function_modules, "matchers.py", "rules.py"}:
            self._modules[name].complete()
        for rule in range(len(self.conditions)):
            self.conditions[rule]
        self.vocabulary.warm()
        self.engines()

    def match_batch(
        self,
        records: bytes | bytearray | memoryview | Iterable[Mapping[str, Any] | bytes],
        *,
        logsource: Tag = None,
    ) -> BatchResult:
        """The rules that match each record of a batch: raw bytes, one JSON object a line; or events one by one.

        Blank lines count as lines and are neither matched nor rejected; what is no JSON object comes back in
        `rejected` with line number, byte offset and reason, and never stops the others. Of an iterable (of mappings as
        `match` takes them, or of the bytes of JSON objects) the record is the number of the element.
        """
        if not isinstance(records, (bytes, bytearray, memoryview)):
            given = GivenEvents(records)
            return given.with_refused(self.match_batch(given.lines, logsource=logsource))
        return self.match_lines(bytes(records), logsource=logsource)

    def match_lines(self, data: bytes, *, logsource: Tag = None) -> BatchResult:
        """As `match_batch`, of bytes, or a bytearray that nobody changes meanwhile: it is not copied."""
        wanted = self.tagged(logsource)
        engines = self.engines()
        if engines is None:
            return self._match_each(bytes(data), wanted)
        with engines.borrow() as engine:
            return engine.match_batch(data, wanted)

    def match_each(self, records: bytes, *, logsource: Tag = None) -> BatchResult:
        """As `match_batch`, by the scalar path: each record parsed and evaluated by itself, no engine is loaded."""
        return self._match_each(records, self.tagged(logsource))

    def _match_each(self, data: bytes, wanted: Wanted) -> BatchResult:
        found: list[tuple[int, int]] = []
        rejected = Rejections()
        evaluated = 0
        for record, position, text in records_in(data):
            try:
                event = parse_record(text)
                check_values(event, self.dispatch.most_values, len(text))
                found.extend((record, rule) for rule in self.dispatch.matching(event, wanted))
                evaluated += 1
            except EventError as error:
                rejected.add(record, position, str(error))
        pairs = np.array(found, dtype=np.int32).reshape(-1, 2)
        last = data.removeprefix(b"\xef\xbb\xbf")[-1:]
        return BatchResult(
            pairs[:, 0].copy(),
            pairs[:, 1].copy(),
            rejected.in_order(),
            evaluated,
            data.count(b"\n") + (last not in (b"", b"\n")),
        )

    def engines(self) -> Engines | None:
        """The batch engine of this pack, made when it is first asked for; None where no kernels run here."""
        if self._engines is None:
            with self._lock:
                if self._engines is None:
                    self._engines = self._make_engines()
        return self._engines or None

    def engine_counts(self) -> dict[str, int]:
        """What the batch engine has counted so far; empty before its first batch and where there is none.

        `records`, of those `fallbacks` (left to the scalar path) and `undecided` (some of their rules were); `kinds`
        that were met; values `looked` for and `found`; `flushes` of caches; `bytes` in use by them.
        """
        return self._engines.counts() if self._engines else {}

    def sightings(self) -> Seen:
        """What events had so far of what rules ask, and which rules were tried."""
        seen = self.dispatch.sightings.seen()
        return seen.with_more(self._engines.sightings()) if self._engines else seen

    def forget_sightings(self) -> None:
        """Begin anew with what `sightings` tells. No thread may be evaluating."""
        self.dispatch.sightings = Sightings(self.dispatch.sightings.asked)
        for engine in self._engines.all if self._engines else ():
            engine.forget_sightings()

    @property
    def correlations(self) -> Mapping[str, Correlation]:
        """The correlations of the pack by their names in it, in its order. Raises `PackError` where one is none."""
        if self._correlations is None:
            self._correlations = read_correlations(self.manifest, self._modules)
        return self._correlations

    def correlator(
        self, *, limits: Limits | None = None, timestamp_fields: Sequence[str] | None = None
    ) -> PackCorrelator:
        """What makes alerts of matches: it is given events in order, and keeps the state of all correlations.

        `limits` bound the groups a correlation and the hits a group; `timestamp_fields` are looked at in their order
        for the time of an event. Raises `PackError` where a correlation of the pack cannot be evaluated.
        """
        from sigmac.runtime.pack.pack_correlator import PackCorrelator

        return PackCorrelator(
            self.correlations,
            self.manifest["rules"],
            self.rules.place,
            self.explain,
            limits,
            timestamp_fields,
        )

    def _make_engines(self) -> Engines | Literal[False]:
        # Not before they are needed: the search loads a library, or asks Numba.
        from sigmac.runtime.engine.machine_code.choice import find_kernels
        from sigmac.runtime.engine.pool import Engines

        kernels = find_kernels()
        if kernels is None:
            return False
        try:
            return Engines(self.dispatch, self.tables, kernels, self.budget.limit, self._workers)
        except (LookupError, ValueError, TypeError) as error:
            # Texts of the tables that should be numbers, networks or times, and are none
            message = f"the parts of the pack do not fit together: {error}"
            raise PackError(f"{self.path}: {message}") from error

    def logsource_of(self, event: Mapping[str, Any]) -> dict[str, str] | None:
        """What an event says it is, as the logsource `auto` has it; None where packs do not know."""
        which = self.dispatch.told_by(Event(plain_event(event), self.vocabulary))
        if which is None:
            return None
        said = zip(LOGSOURCE_KEYS, self.manifest["event_logsources"][which], strict=True)
        return {key: value for key, value in said if value}

    def logsource_values(self, key: str) -> list[str]:
        """What rules name as their `product`, `category` or `service`: in lower case, sorted, each once."""
        at = LOGSOURCE_KEYS.index(key)
        return sorted({each[at] for each in self._of_logsource} - {""})

    @overload
    def tagged(self, logsource: Mapping[str, str] | None) -> int: ...
    @overload
    def tagged(self, logsource: Tag) -> Wanted: ...
    def tagged(self, logsource: Tag) -> Wanted:
        """The rules that a stream of this logsource concerns, as bits: no key is set on both sides and differs."""
        if not logsource:
            return -1
        if isinstance(logsource, str):
            if logsource != "auto":
                raise ValueError(f"a logsource is a mapping or 'auto', not {logsource!r}")
            return None
        known = self._tags.get(key := tuple(sorted(logsource.items())))
        if known is None:
            wanted = [(logsource.get(name) or "").lower() for name in LOGSOURCE_KEYS]
            known = 0
            for have, rules in self._of_logsource.items():
                if all(not w or not h or w == h for w, h in zip(wanted, have, strict=True)):
                    known |= rules
            if len(self._tags) >= _MAX_TAGS:
                self._tags.clear()
            self._tags[key] = known
        return known

    def _matcher(self, name: str) -> Any:
        return self._modules["matchers.py"].prepare()[name]

    def _piece(self, module: int, name: str, first: int, last: int) -> Condition:
        source = self._modules[self._function_modules[module]]
        source.prepare(self._headers[module])
        found: Condition = source.piece(name, first, last)
        code = found.__code__ if isinstance(found, FunctionType) else None
        if code is None or (code.co_argcount, code.co_firstlineno) != (1, first):
            raise PackError(f"{source.path}: {name} is no condition")
        return found

    def explain(self, rule: int, event: dict[str, Any]) -> Explanation:
        """Why a rule (by its index in `rules`) matches an event, or does not."""
        known = self._traced.get(rule)
        if known is None:
            known = self._trace(rule)
            if len(self._traced) >= _MAX_TRACED:
                self._traced.clear()
            self._traced[rule] = known
        return explain(known, TracingEvent(event, self.vocabulary))

    def _trace(self, rule: int) -> TracedRule:
        condition = self.conditions[rule]
        module, first, last, _ = self.conditions.spans[rule].tolist()
        text = self._modules[self._function_modules[module]].lines(first, last)
        return traced(text, self.rules[rule].renamed, condition.__globals__)


def _by_logsource(logsources: Sequence[Sequence[str]]) -> dict[tuple[str, ...], int]:
    """The rules, as bits, of each logsource in lower case: thousands of rules have a hundred of them."""
    rules: dict[tuple[str, ...], list[int]] = {}
    for rule, each in enumerate(logsources):
        rules.setdefault(tuple(map(str.lower, each)), []).append(rule)
    return {logsource: mask_of(np.array(found)) for logsource, found in rules.items()}
