"""`correlations.py` of a pack: one definition a correlation that mirrors its YAML, and which rules become silent."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from sigmac import __version__
from sigmac.compiler.codegen.formatter import format_source
from sigmac.compiler.codegen.quoting import Code, literal
from sigmac.compiler.codegen.templates import render
from sigmac.compiler.pipeline.correlation_fields import Fields
from sigmac.compiler.syntax.correlation import Correlation
from sigmac.compiler.syntax.links import Target, Targets
from sigmac.runtime.correlation import definition


@dataclass(frozen=True, slots=True)
class Linked:
    """The correlations of a rule set with what their names stand for, and what their references mean.

    `sources` are the names that files have in the pack.
    """

    correlations: Sequence[tuple[Correlation, Fields]] = ()
    targets: Targets = field(default_factory=lambda: Targets.of([]))
    sources: dict[str, str] = field(default_factory=dict)

    @property
    def silent(self) -> set[int]:
        """What only counts: correlations refer to it, and none of those that do so directly has `generate`.

        Rules and correlations by their `id()`.
        """
        referred: set[int] = set()
        generated: set[int] = set()
        for each, _ in self.correlations:
            found = {id(self.targets.one(reference)) for reference in each.rules}
            referred |= found
            if each.generate:
                generated |= found
        return referred - generated


def render_correlations(
    linked: Linked,
    names: Mapping[int, str],
    digests: Mapping[int, str],
) -> bytes:
    """The source of `correlations.py`.

    `names` are what targets are called in the pack, by their `id()`; `digests` those of what rules ask of events.
    """
    silent = linked.silent
    known = dict(digests)
    text = render("correlations", version=Code(__version__), count=len(linked.correlations))
    pieces = [text]
    for correlation, fields in linked.correlations:
        written = _Written(correlation, fields, linked.targets, lambda target: names[id(target)])
        place = correlation.place
        given = {
            **written.attributes(),
            "silent": id(correlation) in silent,
            "digest": _digest(correlation, linked, known),
            "source": f"{linked.sources.get(place.file, place.file)}:{place.line}",
        }
        attributes = [(Code(key), literal(value)) for key, value in given.items() if value]
        name = Code(names[id(correlation)])
        pieces.append(render("correlation", name=name, attributes=attributes))
    return format_source(Code("\n".join(pieces))).encode()


def definitions_of(linked: Linked, names: Mapping[int, str]) -> dict[str, definition.Correlation]:
    """The correlations as a pack has them, by their names, but for `digest` and `source`; `names` as above."""
    silent = linked.silent
    found = {}
    for correlation, fields in linked.correlations:
        written = _Written(correlation, fields, linked.targets, lambda target: names[id(target)])
        found[names[id(correlation)]] = definition.Correlation(
            **written.attributes(), silent=id(correlation) in silent
        )
    return found


class _Written:
    """A correlation with the pack's names in place of its references."""

    def __init__(
        self,
        correlation: Correlation,
        fields: Fields,
        targets: Targets,
        name_of: Callable[[Target], str],
    ) -> None:
        self.correlation = correlation
        self.fields = fields
        self.names = {each.text: name_of(targets.one(each)) for each in correlation.rules}

    def attributes(self) -> dict[str, Any]:
        """Arguments of `Correlation(…)`: what the author gave."""
        each = self.correlation
        found = each.meta.attributes()
        found["type"] = each.type
        found["rules"] = self.rules
        found["timespan"] = each.timespan
        found["group_by"] = list(each.group_by)
        found["condition"] = self.condition
        found["fields"] = {
            name: {self.names[rule]: fields for rule, fields in by_rule.items()}
            for name, by_rule in self.fields.items()
        }
        found["custom"] = dict(each.meta.custom)
        return found

    @property
    def rules(self) -> list[str]:
        """The names of its rules: each once, but where their order counts."""
        names = [self.names[each.text] for each in self.correlation.rules]
        return names if self.correlation.type == "temporal_ordered" else list(dict.fromkeys(names))

    @property
    def condition(self) -> dict[str, Any] | None:
        """The condition, the rules in it by their names in the pack."""
        condition: dict[str, Any] | None = self.correlation.plain()["condition"]
        if condition and "expression" in condition:
            return {"expression": self._renamed(condition["expression"])}
        return condition

    def _renamed(self, node: Any) -> Any:
        if isinstance(node, str):
            return self.names[node]
        ((word, operands),) = node.items()
        if word == "not":
            return {word: self._renamed(operands)}
        return {word: [self._renamed(each) for each in operands]}


def _digest(correlation: Correlation, linked: Linked, known: dict[int, str]) -> str:
    """A digest of all that decides what a correlation finds, those below it included; titles and places are not."""
    digest = known.get(id(correlation))
    if digest is None:
        below = {}
        for reference in correlation.rules:
            target = linked.targets.one(reference)
            below[id(target)] = (
                _digest(target, linked, known)
                if isinstance(target, Correlation)
                else known[id(target)]
            )
        fields = next(fields for each, fields in linked.correlations if each is correlation)
        written = _Written(correlation, fields, linked.targets, lambda target: below[id(target)])
        content = [
            correlation.type,
            written.rules,
            correlation.timespan,
            correlation.group_by,
            written.condition,
            {name: sorted(by.items()) for name, by in _fields(written).items()},
        ]
        text = orjson.dumps(content, option=orjson.OPT_SORT_KEYS)
        digest = known[id(correlation)] = hashlib.sha256(text).hexdigest()[:32]
    return digest


def _fields(written: _Written) -> Fields:
    return {
        name: {written.names[rule]: fields for rule, fields in by.items()}
        for name, by in written.fields.items()
    }
