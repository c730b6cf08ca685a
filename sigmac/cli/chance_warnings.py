"""What `sigmac run` says at its end of rules that had no chance, in a few lines; `sigmac fields` tells all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from sigmac.cli.options import counted
from sigmac.runtime.printable import shortened

if TYPE_CHECKING:
    from sigmac.cli.run_summary import Tally
    from sigmac.runtime.chances.chances import Chances, Sighted
    from sigmac.runtime.chances.event_fields import EventFields
    from sigmac.runtime.pack.pack import Pack

_ENOUGH = 100  # events, of which it says something that a field is in none
_NAMED = 3  # fields and rules in a line
_COMPARED = 12  # fields for which a near one is looked for
_SEE = "see `sigmac fields`"


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
        seen = _beginnings(chances, tally, with_shapes=not known)
        yield from _of_fields(sighted, seen, few=known and tally.records < _ENOUGH)
    elif not sighted.tried:
        yield f"warning: no rule of {pack.name} is for any of these events; {_SEE}"
        yield from _of_shape(_beginnings(chances, tally, with_shapes=True))


def _beginnings(chances: Chances, tally: Tally, *, with_shapes: bool) -> EventFields:
    """The events with which the inputs begin: for their names and shapes, not for what is said of fields."""
    from sigmac.cli.fields_report import schemas
    from sigmac.runtime.chances.event_shapes import EventShapes
    from sigmac.runtime.errors import EventError
    from sigmac.runtime.scalar.json_record import parse_record

    seen = chances.event_fields()
    if with_shapes:
        seen.look_at_shape = EventShapes(seen.asked, schemas(chances.pack)).shape_of
    for beginning in tally.beginnings:
        for line in beginning.split(b"\n"):
            try:
                seen.look(parse_record(line))
            except EventError:
                continue  # which was told where it was evaluated
    seen.kinds()
    return seen


def _of_fields(sighted: Sighted, seen: EventFields, *, few: bool) -> Iterator[str]:
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


def _of_shape(seen: EventFields) -> Iterator[str]:
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
