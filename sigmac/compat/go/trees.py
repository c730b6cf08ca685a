"""Sets of rules and single rules that are asked about one event, as the Go engine's `Ruleset` and `Tree` are."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from sigmac.compat.go.compiled_rules import compile_rules
from sigmac.compat.go.faults import ParseYaml, RuleFault, Unsupported
from sigmac.compat.go.rule_handles import (
    GivenSource,
    RuleHandle,
    new_rule_file_list,
)
from sigmac.compat.go.selected_fields import KEYWORDS, Event, fields_of
from sigmac.runtime.pack.asked_fields import asked, asked_by, asked_by_itself
from sigmac.runtime.pack.pack import Pack
from sigmac.runtime.scalar.json_record import check_values, plain_event
from sigmac.runtime.scalar.scalars import lookup


@dataclass(frozen=True, slots=True)
class Config:
    """How a set of rules is made.

    `directory` are the folders with its rules. `fail_on_rule_parse` and `fail_on_yaml_parse` raise the first fault
    where a rule, or a file, cannot be used; else it is left out and stands in `Ruleset.errors`. `no_collapse_ws` leaves
    white space as it is, in rules and in events. `pipelines` are processing pipelines, by name or file.
    """

    directory: Sequence[str | Path]
    fail_on_rule_parse: bool = False
    fail_on_yaml_parse: bool = False
    no_collapse_ws: bool = False
    pipelines: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Result:
    """A rule that matches. A rule without tags has None."""

    tags: tuple[str, ...] | None
    id: str
    title: str

    def plain(self) -> dict[str, Any]:
        """With the keys, in the order, in which the Go engine writes it as JSON."""
        return {
            "Tags": None if self.tags is None else list(self.tags),
            "ID": self.id,
            "Title": self.title,
        }


class Results(list[Result]):
    """The rules that match one event, in the order of the set."""

    def plain(self) -> list[dict[str, Any]]:
        """Each as the Go engine writes it as JSON."""
        return [each.plain() for each in self]


class Truth(NamedTuple):
    """Whether a rule matches an event, and whether it has anything to say of it.

    A rule is applicable where it matches, and where the event has one of the fields that it asks, or texts for its
    keywords: so `not applicable` means that no other event without these fields is answered otherwise.
    """

    matched: bool
    applicable: bool


class Tree:
    """One rule. Threads may share it."""

    def __init__(self, pack: Pack, index: int, rule: RuleHandle):
        self.rule = rule
        self._pack = pack
        self._index = index

    @cached_property
    def _asked(self) -> Collection[str]:
        return asked_by_itself(self._pack, self._index)

    @cached_property
    def _needed(self) -> list[str]:
        return sorted({*asked_by(self._pack, self._index)} - {KEYWORDS})

    @cached_property
    def result(self) -> Result:
        """What a match of this rule gives."""
        rule = self._pack.rules[self._index]
        return Result(rule.tags or None, rule.id or "", rule.title)

    def match(self, event: Event) -> Truth:
        """Whether the rule matches. Raises `EventError` for an event that JSON cannot hold."""
        given = fields_of(
            event,
            self._needed,
            keywords=KEYWORDS in self._asked,
            collapse=not self.rule.no_collapse_ws,
        )
        fields = plain_event(given)
        dispatch = self._pack.dispatch
        check_values(fields, dispatch.most_values)
        matched = bool(dispatch.matching(fields, 1 << self._index))
        return Truth(
            matched, matched or any(lookup(fields, name) is not None for name in self._asked)
        )

    def eval(self, event: Event) -> tuple[Result | None, bool]:
        """The result, and whether the rule matches. Raises as `match`."""
        return (self.result, True) if self.match(event).matched else (None, False)

    Match, Eval = match, eval

    def __repr__(self) -> str:
        return f"<Tree {self.result.title!r}>"


class Ruleset:
    """Rules that are asked together. Threads may share it.

    `rules` are those that are evaluated, `total` is how many there are in the folders: `ok` of them are evaluated,
    `unsupported` are sound but cannot be answered by one event, `failed` are faulty, as are files that are no YAML.
    `errors` has one for each that is not evaluated. `filters` act on the rules and do not count. `pack` is what
    evaluates them, None where there is no rule.
    """

    def __init__(
        self,
        pack: Pack | None,
        rules: Sequence[Tree],
        errors: Sequence[RuleFault],
        filters: int,
        *,
        no_collapse_ws: bool,
    ):
        self.pack = pack
        self.rules = rules
        self.errors = errors
        self.filters = filters
        self.ok = len(rules)
        self.unsupported = sum(isinstance(each, Unsupported) for each in errors)
        self.failed = len(errors) - self.unsupported
        self.total = self.ok + len(errors)
        self._collapse = not no_collapse_ws
        self._asked: list[str] = []
        self._keywords = False
        if pack is not None:
            fields = asked(pack)
            self._keywords = KEYWORDS in fields
            self._asked = sorted({*fields} - {KEYWORDS})

    def eval_all(self, event: Event) -> tuple[Results, bool]:
        """The rules that match, and whether there are any. Raises `EventError` for an event that JSON cannot hold."""
        if self.pack is None:
            return Results(), False
        fields = fields_of(event, self._asked, keywords=self._keywords, collapse=self._collapse)
        places = map(self.pack.rules.place, (match.rule for match in self.pack.match(fields)))
        found = Results(self.rules[place].result for place in places)
        return found, bool(found)

    EvalAll = eval_all

    def __repr__(self) -> str:
        return f"<Ruleset: {self.ok} of {self.total} rules>"


def new_ruleset(config: Config) -> Ruleset:
    """The rules of some folders.

    Raises `ConfigurationError` where there is no such folder, `InputError` for a file that cannot be read,
    `SigmacError` for a faulty pipeline, and a `RuleFault` where `config` says so.
    """
    files = dict.fromkeys(new_rule_file_list(config.directory))
    sources = [GivenSource.of(file) for file in files]
    made = compile_rules(sources, config.pipelines, no_collapse_ws=config.no_collapse_ws)
    for fault in made.faults:
        if config.fail_on_yaml_parse if isinstance(fault, ParseYaml) else config.fail_on_rule_parse:
            raise fault
    data = {source.file: source.data for source in sources}
    handles = [
        RuleHandle(file, data[file], document, no_collapse_ws=config.no_collapse_ws)
        for file, document in made.documents
    ]
    return Ruleset(
        made.pack,
        _trees(made.pack, handles),
        made.faults,
        made.filters,
        no_collapse_ws=config.no_collapse_ws,
    )


def new_tree(rule: RuleHandle, pipelines: Sequence[str] = ()) -> Tree:
    """One rule by itself. Raises `RuleFault` where it cannot be evaluated, `SigmacError` for a faulty pipeline."""
    source = GivenSource(rule.path, rule.path, Path(rule.path), data=rule.data)
    made = compile_rules([source], pipelines, no_collapse_ws=rule.no_collapse_ws)
    for index, (_, document) in enumerate(made.documents):
        if document == rule.document and made.pack is not None:
            return Tree(made.pack, index, rule)
    for fault in made.faults:
        if fault.place.document == rule.document:
            raise fault
    raise KeyError(f"{rule.path} has no rule as its document {rule.document}")


def _trees(pack: Pack | None, handles: Iterable[RuleHandle]) -> list[Tree]:
    return [] if pack is None else [Tree(pack, index, each) for index, each in enumerate(handles)]
