"""Where a transformation acts: on field names, detection items, values, metadata or the whole rule.

A transformation says what changes; the functions of this module carry the change to every place it
concerns, ask the conditions of the processing item, and note on each detection item which
processing items changed it. What does not change is given back as the same object: that is how a
pipeline knows whether it changed a rule.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from sigmac.compiler.ir.values import Alternatives, Exists, FieldRef, Null, Regex, Text, Value
from sigmac.compiler.pipeline.conditions.parameters import Parameters
from sigmac.compiler.pipeline.conditions.processing_conditions import (
    FieldName,
    FieldTest,
    ItemTest,
    leaves,
)
from sigmac.compiler.pipeline.conditions.processing_run import Refusal, Run
from sigmac.compiler.pipeline.walk import change_items
from sigmac.compiler.syntax.correlation import Correlation
from sigmac.compiler.syntax.read_rule import MAX_NAME
from sigmac.compiler.syntax.rule import AllOf, AnyOf, Detection, Item, Metadata, Rule


@dataclass(frozen=True, slots=True)
class Scope:
    """What a processing item acts on: its id, its conditions on detection items and on names."""

    id: str
    items: ItemTest | None
    fields: FieldTest | None

    def selects(self, item: Item, run: Run) -> bool:
        """Whether a detection item meets both; of names, its own or one that it refers to."""
        if self.items is not None and not self.items(item, run):
            return False
        if self.fields is None or self.fields(FieldName(item.field, item.applied), run):
            return True
        return any(self.names(ref.field, run) for ref in _references(item.values))

    def names(self, name: str, run: Run) -> bool:
        """Whether a field name that stands alone meets the conditions."""
        if self.fields is None:
            return True
        return self.fields(FieldName(name, run.renamed.get(name, frozenset())), run)

    def marked(self, detection: Detection) -> Detection:
        """The same, its items noted as changed by this processing item."""
        if isinstance(detection, Item):
            return replace(detection, applied=detection.applied | {self.id})
        return replace(
            detection, children=tuple(self.marked(child) for child in detection.children)
        )


@dataclass(frozen=True, slots=True)
class Transformation:
    """What one processing item does to a rule and to a correlation; None: nothing."""

    rule: Callable[[Rule, Run], Rule]
    correlation: Callable[[Correlation, Run], Correlation] | None = None


@dataclass(frozen=True, slots=True)
class TransformationType:
    """A row of the table of transformations.

    `make` makes one of its parameters; `selective` says whether it asks the conditions on detection
    items and field names.
    """

    make: Callable[[Parameters, Scope], Transformation]
    selective: bool


_ABSENT = (Null(), Exists(False))  # values that ask that there is none

FieldChange = Callable[[str], tuple[str, ...] | None]  # None: not concerned
ItemChange = Callable[[Item, Run], Detection | None]  # None: dropped
ValueChange = Callable[[Value, Item, Run], Value]
MetadataChange = Callable[[Metadata], Metadata]
RuleChange = Callable[[Rule, Run], Rule]
RunChange = Callable[[Run], None]


def on_fields(read: Callable[[Parameters], FieldChange]) -> TransformationType:
    """Field names of detection items, of what `fieldref` refers to, and of the rule's `fields`.

    One name that becomes several is an Or of as many items, within `neq` a negated one; where a value
    asks that the field is missing, an And: it has several names, and under none of them a value. Names that
    stand alone are those by which correlations look at the rule's events.
    """

    def make(given: Parameters, scope: Scope) -> Transformation:
        renaming = _Renaming(read(given), scope)
        return Transformation(renaming.rule, renaming.correlation)

    return TransformationType(make, selective=True)


@dataclass(frozen=True, slots=True)
class _Renaming:
    change: FieldChange
    scope: Scope

    def names(self, field: FieldName, run: Run) -> tuple[str, ...] | None:
        if field.name is None or (
            self.scope.fields is not None and not self.scope.fields(field, run)
        ):
            return None
        names = self.change(field.name)
        if names is None:
            return None
        run.mapped.update(names)
        for name in names:
            if len(name) > MAX_NAME:
                raise Refusal(f"a field name becomes longer than {MAX_NAME} characters")
            if name != field.name:
                given = run.renamed.get(field.name, frozenset())
                run.renamed[name] = given | {self.scope.id}
        return names

    def alone(self, name: str, run: Run) -> tuple[str, ...]:
        """The new names of one that stands outside of detection items."""
        return self.names(FieldName(name, run.renamed.get(name, frozenset())), run) or (name,)

    def all(self, names: Iterable[str], run: Run) -> tuple[str, ...]:
        """The new names of several that stand outside of detection items, each once."""
        return tuple(dict.fromkeys(new for name in names for new in self.alone(name, run)))

    def value(self, value: Value, run: Run) -> Value:
        if isinstance(value, Alternatives):
            return _alternatives(value, lambda each: self.value(each, run))
        if not isinstance(value, FieldRef):
            return value
        references = tuple(replace(value, field=name) for name in self.alone(value.field, run))
        if references == (value,):
            return value
        return references[0] if len(references) == 1 else Alternatives(references)

    def item(self, item: Item, run: Run) -> Detection:
        if self.scope.items is not None and not self.scope.items(item, run):
            return item
        values = _each(item.values, lambda value: self.value(value, run))
        if (
            item.all
            and values is not item.values
            and any(isinstance(value, Alternatives) for value in values)
        ):
            _one_is_enough(run, "a field that is referred to becomes several", item)
        names = self.names(FieldName(item.field, item.applied), run)
        if names is None and values is item.values:
            return item
        applied = item.applied | {self.scope.id}
        if names is None:
            return replace(item, values=values, applied=applied)
        absent = any(value in _ABSENT for value in leaves(values))
        if len(names) > 1 and absent:
            message = f"`{item.field}` becomes several fields, and null asks that all are missing"
            run.differs(f"{message}; to pySigma it is enough that one is", item.place)
        elif len(names) > 1 and item.negated:
            message = f"`{item.field}` becomes several fields, and none of them may hold the value"
            run.differs(f"{message}; to pySigma it is enough that one does not", item.place)
        run.charge((len(names) - 1) * weight(values))
        made = tuple(replace(item, field=n, values=values, applied=applied) for n in names)
        if len(made) == 1:
            return made[0]
        return AllOf(made) if item.negated is not absent else AnyOf(made)

    def metadata(self, meta: Metadata, run: Run) -> Metadata:
        fields = self.all(meta.fields, run)
        return meta if fields == meta.fields else replace(meta, fields=fields)

    def rule(self, rule: Rule, run: Run) -> Rule:
        meta = self.metadata(rule.meta, run)
        if meta is not rule.meta:
            rule = replace(rule, meta=meta)
        run.names = {name: self.all(fields, run) for name, fields in run.names.items()}
        return change_items(rule, lambda item: self.item(item, run))

    def correlation(self, correlation: Correlation, run: Run) -> Correlation:
        return replace(correlation, meta=self.metadata(correlation.meta, run))


def on_items(
    read: Callable[[Parameters], ItemChange], *named: str, alone: str = ""
) -> TransformationType:
    """Detection items that the conditions select.

    `named` are the parameters with the fields that stand for the item's in the rule's `fields`, `alone` is that of
    them which stands for a name by which correlations look at the rule's events.
    """

    def make(given: Parameters, scope: Scope) -> Transformation:
        change = read(given)
        names = tuple(given.text(key) for key in named)
        by_itself = given.text(alone) if alone and scope.items is None else None

        def change_item(item: Item, run: Run) -> Detection | None:
            if not scope.selects(item, run):
                return item
            made = change(item, run)
            return made if made is None or made is item else scope.marked(made)

        def on_rule(rule: Rule, run: Run) -> Rule:
            if names:
                run.mapped.update(names)
                rule = _reported(rule, names, scope, run)
            if by_itself is not None:
                run.names = {
                    name: tuple(
                        dict.fromkeys(by_itself if scope.names(f, run) else f for f in fields)
                    )
                    for name, fields in run.names.items()
                }
            return change_items(rule, lambda item: change_item(item, run))

        return Transformation(on_rule)

    return TransformationType(make, selective=True)


def _reported(rule: Rule, names: tuple[str, ...], scope: Scope, run: Run) -> Rule:
    """The rule with other names in place of the fields to report that the conditions select."""
    fields = dict.fromkeys(
        new for name in rule.meta.fields for new in (names if scope.names(name, run) else (name,))
    )
    if tuple(fields) == rule.meta.fields:
        return rule
    return replace(rule, meta=replace(rule.meta, fields=tuple(fields)))


def on_values(read: Callable[[Parameters], ValueChange]) -> TransformationType:
    """Values of the detection items that the conditions select.

    Several that come from one stay one group: ORed, even under `all`.
    """

    def make(given: Parameters, scope: Scope) -> Transformation:
        change = read(given)

        def change_item(item: Item, run: Run) -> Item:
            if not scope.selects(item, run):
                return item

            def one(value: Value) -> Value:
                if isinstance(value, Alternatives):
                    return _alternatives(value, one)
                return change(value, item, run)

            values = _each(item.values, one)
            if values is item.values:
                return item
            if more := {"windash", "base64offset"}.intersection(item.modifiers):
                message = f"values under `{more.pop()}` are changed, which pySigma leaves alone"
                run.differs(message, item.place)
            elif item.all and any(isinstance(value, Alternatives) for value in values):
                _one_is_enough(run, "a value becomes several", item)
            return replace(item, values=values, applied=item.applied | {scope.id})

        return Transformation(
            lambda rule, run: change_items(rule, lambda item: change_item(item, run))
        )

    return TransformationType(make, selective=True)


def on_metadata(read: Callable[[Parameters], MetadataChange]) -> TransformationType:
    """What the rule reports: `fields` and custom attributes."""

    def make(given: Parameters, scope: Scope) -> Transformation:
        change = read(given)

        def change_rule(rule: Rule, run: Run) -> Rule:
            meta = change(rule.meta)
            return rule if meta == rule.meta else replace(rule, meta=meta)

        def change_correlation(correlation: Correlation, run: Run) -> Correlation:
            return replace(correlation, meta=change(correlation.meta))

        return Transformation(change_rule, change_correlation)

    return TransformationType(make, selective=False)


def on_rules(read: Callable[[Parameters], RuleChange]) -> TransformationType:
    """The rule as a whole; correlations are left alone. Selections that it adds are noted as made by this item."""

    def make(given: Parameters, scope: Scope) -> Transformation:
        change = read(given)

        def on_rule(rule: Rule, run: Run) -> Rule:
            known = len(run.generated)
            made = change(rule, run)
            added = {name: scope.marked(made.detections[name]) for name in run.generated[known:]}
            return replace(made, detections={**made.detections, **added}) if added else made

        return Transformation(on_rule)

    return TransformationType(make, selective=False)


def on_run(read: Callable[[Parameters], RunChange]) -> TransformationType:
    """Nothing of the rule: what later processing items see, or whether it is compiled at all."""

    def make(given: Parameters, scope: Scope) -> Transformation:
        act = read(given)

        def on_rule(rule: Rule, run: Run) -> Rule:
            act(run)
            return rule

        def on_correlation(correlation: Correlation, run: Run) -> Correlation:
            act(run)
            return correlation

        return Transformation(on_rule, on_correlation)

    return TransformationType(make, selective=False)


def weight(values: Iterable[Value]) -> int:
    """How many values there are, long texts counted more than once."""
    total = 0
    for value in leaves(values):
        total += 1
        if isinstance(value, (Text, Regex)):
            total += sum(len(part) for part in value.parts if isinstance(part, str)) // 64
    return total


def _one_is_enough(run: Run, what: str, item: Item) -> None:
    run.differs(f"{what}, of which one is enough; pySigma asks for all under `all`", item.place)


def _references(values: Iterable[Value]) -> Iterable[FieldRef]:
    return (value for value in leaves(values) if isinstance(value, FieldRef))


def _each(values: tuple[Value, ...], change: Callable[[Value], Value]) -> tuple[Value, ...]:
    """The changed values; the same tuple where none changed."""
    made = tuple(change(value) for value in values)
    same = all(new is old for new, old in zip(made, values, strict=True))
    return values if same else made


def _alternatives(value: Alternatives, change: Callable[[Value], Value]) -> Value:
    made = _each(value.values, change)
    if made is value.values:
        return value
    flat = tuple(each for new in made for each in leaves([new]))
    unique = tuple(dict.fromkeys(flat))
    return unique[0] if len(unique) == 1 else Alternatives(unique)
