"""What fields events have, kind by kind: what is seen of events on which the same rules are tried.

Everything is bounded: kinds, values that are told apart, names, and the sets of fields that events have.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sigmac.runtime.chances.names_in_event import DEPTH, LONGEST, names_of
from sigmac.runtime.pack.pack import Pack
from sigmac.runtime.scalar.dispatch import MAX_ACTIVE
from sigmac.runtime.scalar.event import Event
from sigmac.runtime.scalar.fields import Facts
from sigmac.runtime.scalar.scalars import lookup

MAX_KINDS = 256  # on which the same rules are tried; further ones are one kind together
MAX_ALL = 4_096  # kinds; of further ones it is not known which rules are tried
MAX_VALUES = 64  # of a field that tells where events are from
MAX_HELD = 200_000  # names in the sets of fields that are counted before they are added up
MAX_NAMES = 20_000
_LONGEST = 200  # characters of a value that is told apart

# Fields that tell where an event is from, and which event of its source it is: of these it matters which values occur.
SOURCE_FIELDS = frozenset(
    {
        "Channel",
        "EventID",
        "Provider_Name",
        "winlog.channel",
        "winlog.event_id",
        "winlog.provider_name",
        "event.code",
        "event.provider",
        "event.module",
        "event.dataset",
        "eventSource",
        "sourcetype",
    }
)
Value = Sequence[Any]  # the members of a field, as `lookup` gives them


@dataclass(slots=True)
class Kind:
    """Events on which the same rules are tried, and which are of the same source.

    `rules` are tried on them, of those that are `meant` by their logsource; as bits. `values` are those of the source
    fields that pipelines ask (None: absent); it is None for what is left where there were too many kinds. `present`
    says of each name in how many of the `events` it is; `sources` has the values of each other source field, by what
    tells them apart, None where they are too many.
    """

    logsource: Mapping[str, str]
    values: Mapping[str, Value | None] | None
    rules: int
    meant: int
    events: int = 0
    present: Counter[str] = field(default_factory=Counter)
    sources: dict[str, dict[Any, Value] | None] = field(default_factory=dict)


class EventFields:
    """Looks at events, and says which of the fields they have that the rules of a pack ask, and which others."""

    def __init__(self, pack: Pack):
        self._pack = pack
        self.asked = pack.dispatch.sightings.asked
        self._named = sorted(SOURCE_FIELDS.intersection(pack.dispatch.logsource_fields))
        self._sources = sorted((self.asked & SOURCE_FIELDS).difference(self._named))
        self._depth = max([DEPTH, *(name.count(".") + 1 for name in self.asked)])
        self._longest = max([LONGEST, *map(len, self.asked)])
        self._rules: dict[tuple[Facts, ...], tuple[int, int]] = {}
        self._kinds: dict[Any, Kind] = {}
        self._alike: Counter[Any] = Counter()  # kinds on which the same rules are tried
        self._sets: Counter[tuple[int, tuple[str, ...]]] = Counter()  # place of a kind, names
        self._held = 0  # names in them
        self._numbered: list[Kind] = []
        self._places: dict[int, int] = {}
        self.names: Counter[str] = Counter()  # of all that events have: dotted names, bounded
        self.shapes: Counter[str] = Counter()  # what `look_at_shape` says of events
        self.look_at_shape: Callable[[dict[str, Any], tuple[str, ...]], str | None] | None = None
        self._shape_of: dict[tuple[str, ...], str | None] = {}

    @property
    def events(self) -> int:
        """How many were looked at."""
        return sum(kind.events for kind in self._numbered)

    def kinds(self) -> list[Kind]:
        """What was seen so far."""
        self._add_up()
        return self._numbered

    def look(self, event: dict[str, Any], logsource: Mapping[str, str] | None = None) -> None:
        """Take note of an event; `logsource` is what it is, None: what it says itself."""
        kind = self._kind(event, logsource)
        kind.events += 1
        key = self._places[id(kind)], names_of(event, self._depth, self._longest)
        if key not in self._sets:
            self._held += len(key[1])
            if self._held > MAX_HELD:
                self._add_up()
                self._held = len(key[1])
        self._sets[key] += 1
        for name in self._sources:
            known = kind.sources.setdefault(name, {})
            if known is not None and (held := lookup(event, name)) is not None:
                told = told_apart(held)
                if told is None or (told not in known and len(known) >= MAX_VALUES):
                    kind.sources[name] = None
                else:
                    known.setdefault(told, _bare(held))
        if self.look_at_shape is not None:
            self._count_shape(event, key[1])

    def _count_shape(self, event: dict[str, Any], names: tuple[str, ...]) -> None:
        assert self.look_at_shape is not None
        if names not in self._shape_of:
            self._shape_of[names] = self.look_at_shape(event, names)
        shape = self._shape_of[names]
        if shape is not None:
            self.shapes[shape] += 1

    def _rules_of(self, fields: dict[str, Any]) -> tuple[int, int]:
        """The rules that are tried on an event whatever it is, and those that its own logsource leaves; as bits."""
        dispatch = self._pack.dispatch
        event = Event(fields, self._pack.vocabulary)
        # As `Dispatch.active_for` remembers them, without the gates of rules that nobody asks here.
        key = tuple([event.facts(name) for name in dispatch.logsource_fields])
        found = self._rules.get(key)
        if found is None:
            if len(self._rules) >= MAX_ACTIVE:
                self._rules.clear()
            found = self._rules[key] = dispatch.concerned_and_own(event)
        return found

    def _kind(self, event: dict[str, Any], logsource: Mapping[str, str] | None) -> Kind:
        pack = self._pack
        rules, own = self._rules_of(event)
        meant = own if logsource is None else pack.tagged(logsource)
        values = {name: lookup(event, name) for name in self._named}
        told = tuple(held if held is None else told_apart(held) for held in values.values())
        unclear = any(a is None is not b for a, b in zip(told, values.values(), strict=True))
        alike = rules, meant
        found = None if unclear else self._kinds.get((*alike, told))
        if found is not None:
            return found
        if len(self._numbered) >= MAX_ALL:
            alike = -1, meant
        rest = unclear or self._alike[alike] >= MAX_KINDS or alike[0] == -1
        key = (*alike, None if rest else told)
        found = self._kinds.get(key)
        if found is None:
            said = logsource if logsource is not None else pack.logsource_of(event)
            bare = {name: held and _bare(held) for name, held in values.items()}
            all_rules = (1 << len(pack.rules)) - 1
            rules, meant = alike[0] & meant & all_rules, meant & all_rules
            found = self._kinds[key] = Kind(said or {}, None if rest else bare, rules, meant)
            self._alike[alike] += 1
            self._places[id(found)] = len(self._numbered)
            self._numbered.append(found)
        return found

    def _add_up(self) -> None:
        for (place, names), count in self._sets.items():
            present = self._numbered[place].present
            for name in names:
                if name in self.asked:
                    present[name] += count
                if name in self.names or (len(self.names) < MAX_NAMES and len(name) <= LONGEST):
                    self.names[name] += count
        self._sets.clear()
        self._shape_of.clear()


def told_apart(held: Value) -> tuple[Any, ...] | None:
    """What tells the values of a field from others; None where that is too long.

    >>> told_apart(["a", 1, True]), told_apart(["x" * 1000])
    ((<class 'str'>, 'a', <class 'int'>, 1, <class 'bool'>, True), None)
    """
    told: list[Any] = []
    for value in held:
        if len(told) > _LONGEST or (isinstance(value, str) and len(value) > _LONGEST):
            return None
        told += (value.__class__, None if isinstance(value, dict) else value)
    return tuple(told)


def _bare(held: Value) -> Value:
    """The same for every rule, without what objects hold."""
    return [{} if isinstance(value, dict) else value for value in held]
