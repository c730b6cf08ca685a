"""What `sigmac run` says at its end of rules that had no chance, in a few lines; `sigmac fields` tells all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sigmac.cli.options import counted
from sigmac.runtime.printable import shortened

if TYPE_CHECKING:
    from sigmac.cli.run_summary import Tally
    from sigmac.runtime.chances.chances import Sighted
    from sigmac.runtime.pack.pack import Pack

_ENOUGH = 100  # events, of which it says something that a field is in none
_NAMED = 3  # fields and rules in a line
_COMPARED = 12  # fields for which a near one is looked for
_SEE = "see `sigmac fields`"


@dataclass(slots=True)
class _Beginnings:
    """Some events: for their names and what they look like, not for what is said of fields."""

    events: int = 0
    names: Counter[str] = field(default_factory=Counter)
    shapes: Counter[str] = field(default_factory=Counter)


def warnings_of(tally: Tally, pack: Pack) -> Iterator[str]:
    """Lines about rules that could match nothing or had to match everything, and about events that look foreign.

    What is said of fields is true of all events that were evaluated.
    """
    from sigmac.runtime.chances.chances import Chances

    if not tally.records:
        return
    chances = Chances(pack)
    sighted = chances.of_sightings(pack.sightings())
    unexcluded = {rule: names for rule in tally.rules if (names := sighted.unexcluded(rule))}
    yield from _unexcluded(unexcluded, pack)
    # Events that a rule has found something in are what the rules are for.
    known = bool(tally.rules.keys() - unexcluded)
    if sighted.missing:
        seen = _beginnings(pack, tally, with_shapes=not known)
        yield from _of_fields(sighted, seen, few=known and tally.records < _ENOUGH)
    elif not sighted.tried:
        yield f"warning: no rule of {pack.name} is for any of these events; {_SEE}"
        yield from _of_shape(_beginnings(pack, tally, with_shapes=True))


def _beginnings(pack: Pack, tally: Tally, *, with_shapes: bool) -> _Beginnings:
    """The events with which the inputs begin."""
    from sigmac.cli.fields_report import schemas
    from sigmac.runtime.chances.event_shapes import EventShapes
    from sigmac.runtime.chances.names_in_event import names_of
    from sigmac.runtime.errors import EventError
    from sigmac.runtime.scalar.json_record import parse_record

    asked = pack.dispatch.sightings.asked
    shapes = EventShapes(asked, schemas(pack)) if with_shapes else None
    seen = _Beginnings()
    for line in (line for beginning in tally.beginnings for line in beginning.split(b"\n")):
        try:
            event = parse_record(line)
        except EventError:
            continue  # which was told where it was evaluated
        names = names_of(event)
        seen.events += 1
        seen.names.update(names)
        if shapes is not None and (shape := shapes.shape_of(event, names)) is not None:
            seen.shapes[shape] += 1
    return seen


def _of_fields(sighted: Sighted, seen: _Beginnings, *, few: bool) -> Iterator[str]:
    from sigmac.runtime.chances.nearest_field import FieldNames

    names = FieldNames(seen.names)
    missing = Counter(name for fields in sighted.missing.values() for name in fields)
    nearest = {name: names.nearest(name) for name, _ in missing.most_common(_COMPARED)}
    meant = {name: near for name, near in nearest.items() if near not in (None, name)}
    rules = sighted.tried | sum(1 << rule for rule in sighted.missing)
    if few and not meant and 2 * len(sighted.missing) < rules.bit_count():
        return
    asked = [
        f"{shortened(name, 100)} (did you mean {shortened(str(near), 100)}?)"
        for name, near in meant.items()
    ]
    asked += [shortened(name, 100) for name in nearest if name not in meant]
    listed = ", ".join([*asked[:_NAMED], *["…"] * (len(missing) > _NAMED)])
    yield (
        f"warning: {len(sighted.missing):,} of {counted(rules.bit_count(), 'rule')} can never match"
        f" these events, as none has fields that they ask for: {listed}; {_SEE}"
    )
    yield from _of_shape(seen)


def _of_shape(seen: _Beginnings) -> Iterator[str]:
    from sigmac.cli.fields_report import advice_for

    for shape, count in seen.shapes.most_common(1):
        yield f"{count:,} of the first {counted(seen.events, 'event')}: {advice_for(shape)}"


def _unexcluded(found: Mapping[int, list[str]], pack: Pack) -> Iterator[str]:
    for rule, fields in [*found.items()][:_NAMED]:
        asked = ", ".join(shortened(name, 100) for name in fields[:_NAMED])
        yield (
            f"warning: {shortened(pack.rules[rule].title, 100)} matches every event that it looks at,"
            f" as none has {asked}, by which it would exclude some; {_SEE}"
        )
    if len(found) > _NAMED:
        yield f"warning: so do {counted(len(found) - _NAMED, 'more rule')}"
