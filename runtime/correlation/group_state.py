"""A group as plain data that JSON can hold, and back: what is damaged is told before anything goes on from it."""

from __future__ import annotations

from typing import Any

from sigmac.runtime.correlation.definition import NUMERIC
from sigmac.runtime.correlation.hit import Hit
from sigmac.runtime.correlation.step import Group, Step
from sigmac.runtime.correlation.timestamps import FIRST, LAST


def plain_group(group: Group) -> list[Any]:
    """The newest time, the truth, the hits in the window, the hits set aside."""
    hits, aside = ([_plain_hit(hit) for hit in hits] for hits in (group.window(), group.aside))
    return [group.newest, group.true, hits, aside]


def _plain_hit(hit: Hit) -> list[Any]:
    return [hit.time, hit.source, f"{hit.seen:x}", hit.values]  # JSON's integers have 64 bits


def restored_group(plain: list[Any], step: Step) -> Group:
    """The group that `plain_group` was given. Raises `ValueError` or `TypeError` for what is none of a step."""
    newest, true, hits, aside = plain
    if type(newest) is not int or type(true) is not bool:
        raise ValueError("a group has no time")
    group = step.new_group()
    oldest = before = newest - step.span
    for number, each in enumerate(hits):
        hit = _hit(each, step)
        if hit.time < before:
            raise ValueError("the hits of a group are not in order")
        before = hit.time
        group.hits.append(hit)
        group.measure.enter(hit, number)
    if before != newest:
        raise ValueError("a group has no newest hit")
    group.newest, group.true = newest, true
    group.aside = tuple(_hit(each, step) for each in aside)
    if any(hit.time >= oldest for hit in group.aside):
        raise ValueError("a hit that was set aside is not late")
    return group


def _hit(plain: Any, step: Step) -> Hit:
    time, source, seen, values = plain
    rules = int(seen, 16)
    if type(time) is not int or not FIRST <= time <= LAST:
        raise ValueError("a hit has no time")
    if rules <= 0 or rules >> len(step.rules):
        raise ValueError("a hit has no rule")
    if values == [] and not step.definition.looks_at:
        return Hit(time, source, rules)
    kind = step.definition.type
    if kind == "value_count":
        values = [tuple(each) if isinstance(each, list) else each for each in values]
        texts = (text for each in values for text in (each if type(each) is tuple else (each,)))
        fits = all(type(text) is str for text in texts)
    else:
        fits = kind in NUMERIC and all(type(each) in (int, float) for each in values)
    if not values or not fits:
        raise ValueError(f"a hit has no values of {kind}")
    return Hit(time, source, rules, tuple(values))
