"""What keeps a rule from matching several events, as lines of text and as JSON types."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from sigmac.cli.explanation_lines import MAX_SHOWN, Line, Span
from sigmac.cli.options import counted
from sigmac.runtime.printable import escaped, shortened

if TYPE_CHECKING:
    from sigmac.compiler.meaning.near_misses import Counted, Held, Miss, NearMisses, Part, Source
    from sigmac.compiler.syntax.rule import Item

_DEEPER = 5  # blanks: what is told of a rule stands below its title
_MAX_VALUES = 5  # of a part in a miss
_MAX_TESTS = 3  # of an item


def miss_blocks(found: NearMisses, most: int) -> Iterator[list[Line]]:
    """A block about the rule and its search identifiers, and one for each of the `most` nearest misses."""
    meta, place = found.rule.meta, found.rule.place
    level = f" ({meta.level})" if meta.level else ""
    one = _inputs(found) < 2
    matched = counted(found.matched, "match", "matches") if found.matched else "no match"
    if found.matched:
        matched += f": {_places(found.first, found.matched, one)}"
    title = [
        (shortened(meta.title, MAX_SHOWN) + escaped(level), "bold"),
        (f"  {escaped(str(place))}", "dim"),
        (f"   {counted(found.events, 'event')}, {matched}", ""),
    ]
    yield [(0, bool(found.matched), title), *_selections(found)]
    misses = found.nearest()
    for each in misses[:most]:
        yield [*_miss(found, each, one)]
    left = sum(each.count for each in misses[most:])
    rest = []
    if left:
        ways = counted(len(misses) - most, "other way")
        rest.append(f"{counted(left, 'event')} in {ways}: --misses N shows more")
    if found.further:
        rest.append(f"{counted(found.further, 'event')} farther away than those that are kept")
    if rest:
        yield [(0, None, [(each, "dim")]) for each in rest]


def _inputs(found: NearMisses) -> int:
    sources = [*found.first, *(each for miss in found.nearest() for each in miss.first)]
    return len({name for name, _ in sources})


def _selections(found: NearMisses) -> Iterator[Line]:
    for each in found.counted():
        name = [*_whose(found, each), (shortened(each.name, MAX_SHOWN), "bold cyan")]
        where = (
            f"line {each.place.line}" if each.place.file == found.rule.place.file else each.place
        )
        said = f"   true of {counted(each.matched, 'event')}"
        yield _DEEPER, bool(each.matched), [*name, (f"  {escaped(str(where))}", "dim"), (said, "")]
        if len(each.parts) > 1 or (each.parts and each.parts[0].item.field is not None):
            for part in each.parts:
                true, absent = found.counts(part)
                gone = f", absent in {absent:,}" if absent else ""
                spans = [(_item_name(part.item), "bold"), (f"   true of {true:,}{gone}", "")]
                yield _DEEPER + 2, bool(true), spans


def _whose(found: NearMisses, each: Counted | Part) -> list[Span]:
    """Which of several variants of the rule, or which of its filters, something stands in."""
    variants = {part.variant for part in found.parts}
    named = [("variant", each.variant if len(variants) > 1 else None), ("filter", each.filter)]
    return [(f"{kind} {shortened(name, MAX_SHOWN)}: ", "") for kind, name in named if name]


def _item_name(item: Item) -> str:
    return shortened("|".join((item.field or "keywords", *item.modifiers)), MAX_SHOWN)


def _miss(found: NearMisses, miss: Miss, one: bool) -> Iterator[Line]:
    verb = "lacks" if miss.count == 1 else "lack"
    said = f"{counted(miss.count, 'event')} {verb} {counted(len(miss.needed), 'item')}"
    yield 0, None, [(said, "bold"), (f": {_places(miss.first, miss.count, one)}", "dim")]
    for number, truth in miss.needed:
        part = found.parts[number]
        name = [*_whose(found, part), (f"{shortened(part.selection, MAX_SHOWN)}: ", "bold cyan")]
        asked = [(_item_name(part.item), "bold"), (f"  {_asked(part.item)}", "")]
        yield 2, not truth, [*name, *asked]
        if number in miss.held:
            yield from _held(miss, part)


def _asked(item: Item) -> str:
    """What an item asks, in words: its first values."""
    from sigmac.compiler.meaning.explanation import meaning

    tests = [shortened(meaning(each), MAX_SHOWN) for each in item.tests[:_MAX_TESTS]]
    more = len(item.tests) - len(tests)
    joined = (" and " if item.all else " or ").join(tests)
    return joined + (f", and {more:,} more" if more else "")


def _held(miss: Miss, part: Part) -> Iterator[Line]:
    from sigmac.compiler.meaning.found_words import hint_words, text_words

    held = miss.held[part.number]
    if held.absent:
        nearest = _nearest(held, part)
        spans = [
            (f"{held.absent:>7,}  ", ""),
            ("absent", "dim italic"),
            (hint_words(nearest), "dim"),
        ]
        yield 4, None, spans
    for (kind, text), count in _most(held):
        yield 4, None, [(f"{count:>7,}  ", ""), (text_words(kind, text), "yellow")]
    others = held.others + sum(held.texts.values()) - sum(count for _, count in _most(held))
    if others:
        yield 4, None, [(f"{others:>7,}  other values", "dim")]


def _most(held: Held) -> list[tuple[tuple[str, str], int]]:
    return sorted(held.texts.items(), key=lambda each: (-each[1], each[0]))[:_MAX_VALUES]


def _nearest(held: Held, part: Part) -> str | None:
    """Which field events have that is called nearly as the absent one."""
    from sigmac.runtime.chances.nearest_field import FieldNames

    return FieldNames(held.fields).nearest(part.item.field or "")


def _places(first: Sequence[Source], count: int, one: bool) -> str:
    """Where the first of some events stand; positions alone where all are of `one` input."""
    places = [f"{position}" if one else f"{escaped(name)} {position}" for name, position in first]
    more = f", and {count - len(first):,} more" if count > len(first) else ""
    return f"{'event' if count == 1 else 'events'} {', '.join(places)}{more}"


# As JSON


def plain_misses(found: NearMisses, most: int) -> dict[str, Any]:
    """JSON types; `docs/explain.md` describes them."""
    meta, place = found.rule.meta, found.rule.place
    misses = found.nearest()
    return {
        "rule": {"id": meta.id, "title": meta.title, "level": meta.level},
        "source": {"file": place.file, "line": place.line},
        "events": found.events,
        "matched": found.matched,
        "first": _plain_sources(found.first),
        "selections": [
            {
                **_plain_whose(each),
                "name": each.name,
                "file": each.place.file,
                "line": each.place.line,
                "matched": each.matched,
                "items": [_plain_part(found, part) for part in each.parts],
            }
            for each in found.counted()
        ],
        "nearest": [_plain_miss(found, each) for each in misses[:most]],
        "others": {
            "ways": len(misses[most:]),
            "events": sum(each.count for each in misses[most:]) + found.further,
        },
    }


def _plain_sources(sources: Iterable[Source]) -> list[dict[str, Any]]:
    return [{"name": name, "position": position} for name, position in sources]


def _plain_whose(each: Counted | Part) -> dict[str, Any]:
    return {"variant": each.variant, "filter": each.filter}


def _plain_part(found: NearMisses, part: Part) -> dict[str, Any]:
    true, absent = found.counts(part)
    item = part.item
    about = {"field": item.field, "modifiers": list(item.modifiers), "line": item.place.line}
    return {**about, "matched": true, "absent": absent}


def _plain_miss(found: NearMisses, miss: Miss) -> dict[str, Any]:
    return {
        "events": miss.count,
        "first": _plain_sources(miss.first),
        "lacks": [_plain_lack(found, miss, number, truth) for number, truth in miss.needed],
    }


def _plain_lack(found: NearMisses, miss: Miss, number: int, truth: bool) -> dict[str, Any]:
    part, held = found.parts[number], miss.held.get(number)
    lack: dict[str, Any] = {
        **_plain_whose(part),
        "selection": part.selection,
        "field": part.item.field,
        "modifiers": list(part.item.modifiers),
        "test": _asked(part.item),
        "wanted": truth,
    }
    if held is not None:
        shown = _most(held)
        lack["absent"] = held.absent
        lack["did_you_mean"] = _nearest(held, part) if held.absent else None
        lack["values"] = [
            {"type": kind, "text": text, "count": count} for (kind, text), count in shown
        ]
        lack["other_values"] = (
            held.others + sum(held.texts.values()) - sum(count for _, count in shown)
        )
    return lack
