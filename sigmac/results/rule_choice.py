"""Which rules' matches, and which correlations' alerts, are results of a run."""

from __future__ import annotations

import difflib
import fnmatch
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sigmac.results.severity import LEVELS, NO_LEVEL, rank

if TYPE_CHECKING:
    from sigmac.runtime.correlation.definition import Correlation
    from sigmac.runtime.match import Rule
    from sigmac.runtime.pack.pack import Pack

STATUSES = ("stable", "test", "experimental", "deprecated", "unsupported")
_MOST_NAMED = 12


class UnknownValueError(ValueError):
    """What no rule has; `option` is the one that asks for it."""

    def __init__(self, option: str, message: str):
        super().__init__(message)
        self.option = option


@dataclass(frozen=True, slots=True)
class Wanted:
    """What results must be: of each that is given, one must fit.

    Tags take in those below them (`attack.t1059` has `attack.t1059.001`); rules are named by id, title, name or file,
    with `*` and `?`.
    """

    min_level: str | None = None
    levels: Collection[str] = ()
    statuses: Collection[str] = ()
    tags: Collection[str] = ()
    rules: Collection[str] = ()
    excluded: Collection[str] = ()

    def __bool__(self) -> bool:
        given = (self.levels, self.statuses, self.tags, self.rules, self.excluded)
        return self.min_level is not None or any(given)


@dataclass(frozen=True, slots=True)
class Choice:
    """The keys (`Result.key`) of the rules and correlations of a pack whose results are left out."""

    left_out: frozenset[int] = frozenset()
    all_left_out: bool = False


def choose(pack: Pack, wanted: Wanted) -> Choice:
    """What of a pack's results is left out. Raises `UnknownValueError` for a value that none of its rules has."""
    if not wanted:
        return Choice()
    known: dict[int, Rule | Correlation] = dict(enumerate(pack.rules))
    known |= {-1 - i: each for i, each in enumerate(pack.correlations.values())}
    _check(wanted, known.values())
    left_out = frozenset(key for key, each in known.items() if not _is_wanted(each, wanted))
    shown = (
        known.keys()
        - pack.silent
        - {-1 - i for i, each in enumerate(pack.correlations.values()) if each.silent}
    )
    return Choice(left_out, shown <= left_out)


def _is_wanted(rule: Rule | Correlation, wanted: Wanted) -> bool:
    if wanted.min_level is not None and rank(rule.level) < rank(wanted.min_level):
        return False
    if wanted.levels and (rule.level or NO_LEVEL).lower() not in wanted.levels:
        return False
    if wanted.statuses and (rule.status or NO_LEVEL).lower() not in wanted.statuses:
        return False
    if wanted.tags and not any(_is_below(tag, each) for each in wanted.tags for tag in rule.tags):
        return False
    names = names_of(rule)
    if wanted.rules and not any(_is_named(each, names) for each in wanted.rules):
        return False
    return not any(_is_named(each, names) for each in wanted.excluded)


def names_of(rule: Rule | Correlation) -> Sequence[str]:
    """All that a rule may be called by: its id, title and name, and its file."""
    file = rule.source.rpartition(":")[0] or rule.source
    return [each for each in (rule.id, rule.title, rule.name, file) if each]


def _is_below(tag: str, wanted: str) -> bool:
    tag, wanted = _plain_tag(tag), _plain_tag(wanted)
    return tag == wanted or tag.startswith(f"{wanted}.")


def _plain_tag(tag: str) -> str:
    return tag.lower().replace("_", "-")


def _is_named(pattern: str, names: Iterable[str]) -> bool:
    pattern = pattern.lower()
    if "*" in pattern or "?" in pattern:
        # A `[` is one: titles have it, and nobody asks for sets of characters.
        pattern = pattern.replace("[", "[[]")
        return any(fnmatch.fnmatchcase(name.lower(), pattern) for name in names)
    return any(pattern == name.lower() for name in names)


def _check(wanted: Wanted, rules: Collection[Rule | Correlation]) -> None:
    levels = ([wanted.min_level] if wanted.min_level else [], wanted.levels)
    _refuse("--min-level", levels[0], "level", LEVELS)
    _refuse("--level", levels[1], "level", [*LEVELS, NO_LEVEL])
    _refuse("--status", wanted.statuses, "status", [*STATUSES, NO_LEVEL])
    tags = {_plain_tag(tag) for rule in rules for tag in rule.tags}
    tags |= {tag.rpartition(".")[0] for tag in tags} - {""}
    for tag in wanted.tags:
        if not any(_is_below(each, tag) for each in tags):
            said = f"no rule has the tag `{tag}`"
            raise UnknownValueError("--tag", said + near_to(_plain_tag(tag), tags))
    for option, given in (("--rule", wanted.rules), ("--exclude-rule", wanted.excluded)):
        for pattern in given:
            if not any(_is_named(pattern, names_of(rule)) for rule in rules):
                names = {name for rule in rules for name in names_of(rule)}
                said = f"no rule has the id, title, name or file `{pattern}`"
                raise UnknownValueError(option, said + near_to(pattern, names))


def _refuse(option: str, given: Iterable[str], noun: str, known: Sequence[str]) -> None:
    for value in given:
        if value not in known:
            raise UnknownValueError(
                option, f"there is no {noun} `{value}`" + near_to(value, known, always=True)
            )


def near_to(given: str, known: Collection[str], *, always: bool = False) -> str:
    """What may have been meant; of a few all are named."""
    lowered: Mapping[str, str] = {each.lower(): each for each in sorted(known)}
    if near := difflib.get_close_matches(given.lower(), lowered, 1):
        return f"; did you mean `{lowered[near[0]]}`?"
    order: Callable[[Collection[str]], Sequence[str]] = list if always else sorted
    return f"; there are {', '.join(order(known)[:_MOST_NAMED])}" if known else ""
