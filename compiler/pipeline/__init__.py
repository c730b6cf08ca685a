"""Processing pipelines: field names, logsources and placeholders.

A pipeline is a YAML file in pySigma's format. `load_pipelines` reads and checks files,
`Pipelines.apply` makes of a rule its variants: the rule as it reads for each way in which the same
thing is logged.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from sigmac.compiler.diagnostics.diagnostic import (
    Diagnostic,
    Diagnostics,
    Place,
    RuleError,
)
from sigmac.compiler.pipeline.conditions.parameters import CODE, Parameters
from sigmac.compiler.pipeline.conditions.processing_conditions import LogsourceTest, logsource
from sigmac.compiler.pipeline.conditions.processing_run import Refusal, Run
from sigmac.compiler.pipeline.differences import report_differences
from sigmac.compiler.pipeline.order import Named, added_fields, mapped_fields, too_early
from sigmac.compiler.pipeline.placeholder_changes import resolve
from sigmac.compiler.pipeline.shipped_pipelines import find_shipped, hint_for, shipped
from sigmac.compiler.pipeline.transformations import (
    FormError,
    ProcessingItems,
    read_processing_items,
)
from sigmac.compiler.syntax.correlation import Correlation
from sigmac.compiler.syntax.rule import LogSource, Rule
from sigmac.compiler.syntax.yaml_nodes import MAX_BYTES, Node, documents

MAX_NODES = 100_000  # of a pipeline file: large public ones have far more than a rule may

Placeholders = Mapping[str, Sequence[str | int | float]]


@dataclass(frozen=True, slots=True)
class Variant:
    """A rule after its pipelines; `name` is None where no pipeline of a variant changed it.

    `names` are what was asked for, each with the fields that it has become.
    """

    name: str | None
    rule: Rule
    names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Pipeline:
    """One pipeline file.

    `variant` None runs for every variant; `claims` are the logsources that it says it maps; `adds`
    and `maps` are fields that it adds conditions on, and fields to which it gives other names;
    `builds_on` are shipped pipelines that run with it, in its variant.
    """

    file: str
    priority: int
    variant: str | None
    claims: tuple[LogsourceTest, ...]
    variables: Mapping[str, tuple[str, ...]]
    items: ProcessingItems
    adds: tuple[Named, ...] = ()
    maps: tuple[Named, ...] = ()
    builds_on: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Pipelines:
    """Pipelines in the order in which they run; made by `load_pipelines`.

    `digest` is a SHA-256 over everything that decides what they make of a rule. `warnings` are
    about the files.
    """

    pipelines: tuple[Pipeline, ...]
    variables: Mapping[str, tuple[str, ...]]
    digest: str
    warnings: tuple[Diagnostic, ...] = ()

    def apply(
        self,
        rule: Rule,
        diagnostics: Diagnostics,
        *,
        strict_logsource: bool = False,
        names: Mapping[str, tuple[str, ...]] | None = None,
    ) -> tuple[Variant, ...]:
        """The variants of a rule, at least one; warnings go to `diagnostics`.

        `names` are field names that stand alone, to be mapped as those of the rule are.

        A variant is there when a pipeline of its own changed the rule; when there is none, the
        pipelines without a variant alone make the rule. Raises `RuleError` to refuse the rule:
        `E_PIPELINE` where a pipeline says so, `E_PLACEHOLDER` where placeholders are left,
        `E_EMPTY` where everything was dropped, and with `strict_logsource` `E_LOGSOURCE` where no
        pipeline maps the logsource though one claims to.
        """
        variants: list[Variant] = []
        changed: set[str] = set()
        warnings: dict[Diagnostic, None] = {}
        left_out: dict[str, FormError] = {}
        for name in self._variant_names():
            try:
                made, changed_here, run = self._run(rule, name, names)
            except FormError as error:
                left_out[name] = error
                continue
            changed |= changed_here
            if any(p.variant == name and p.file in changed_here for p in self.pipelines):
                warnings.update(dict.fromkeys(run.warnings))
                variants.append(Variant(name, _finished(made, run), run.names))
        if not variants and left_out:
            raise next(iter(left_out.values()))
        if not variants:
            made, changed_here, run = self._run(rule, None, names)
            changed |= changed_here
            warnings.update(dict.fromkeys(run.warnings))
            variants.append(Variant(None, _finished(made, run), run.names))
        diagnostics.found.extend(warnings)
        for name, reason in left_out.items():
            found = reason.diagnostic
            message = f"the form `{name}` of the rule is left out: {found.message}"
            diagnostics.report("W_PIPELINE_LOSS", message, found.place, found.hint)
        self._check_logsource(rule, changed, diagnostics, strict_logsource)
        return tuple(variants)

    def apply_to_correlation(
        self, correlation: Correlation, logsources: Sequence[LogSource] = ()
    ) -> Correlation:
        """The correlation with what pipelines say of it as a whole: attributes, and that it is refused.

        `logsources` are those of the rules that it refers to, for conditions on them. Pipelines of
        a variant take part where there is one variant only. What its field names mean is asked of
        each rule, see `fields_of`. Raises `RuleError` (`E_PIPELINE`).
        """
        names = self._variant_names()
        run = Run(self.variables, tuple(logsources))
        for pipeline in self.pipelines:
            if pipeline.variant is None or len(names) == 1:
                correlation = pipeline.items.on_correlation(correlation, run)
        return correlation

    def fields_of(
        self, rule: Rule, names: Iterable[str]
    ) -> dict[str | None, Mapping[str, tuple[str, ...]]]:
        """The fields that names stand for in the events of a rule, by variant (None: it has none).

        Conditions on detection items and values do not apply to a name that stands alone. Raises
        `RuleError` where the rule is refused.
        """
        asked = {name: (name,) for name in names}
        return {each.name: each.names for each in self.apply(rule, Diagnostics(), names=asked)}

    def _variant_names(self) -> list[str]:
        return list(dict.fromkeys(p.variant for p in self.pipelines if p.variant is not None))

    def _run(
        self, rule: Rule, variant: str | None, names: Mapping[str, tuple[str, ...]] | None
    ) -> tuple[Rule, set[str], Run]:
        """The rule after the common pipelines and a variant's, and the files that changed it."""
        run = Run(self.variables, names=dict(names or {}))
        changed: set[str] = set()
        for pipeline in self.pipelines:
            if pipeline.variant in (None, variant):
                run.compared = pipeline.file not in shipped()
                made = pipeline.items.on_rule(rule, run)
                if made is not rule:
                    changed.add(pipeline.file)
                rule = made
        return rule, changed, run

    def _check_logsource(
        self, rule: Rule, changed: set[str], diagnostics: Diagnostics, strict: bool
    ) -> None:
        claiming = [p for p in self.pipelines if any(c.matches(rule.logsource) for c in p.claims)]
        if not claiming or any(p.file in changed for p in claiming):
            return
        message = f"no pipeline maps the logsource {rule.logsource}, so every event is looked at"
        hint = "add it to a pipeline of your own; docs/pipelines.md shows how"
        if strict:
            raise RuleError("E_LOGSOURCE", message, rule.place, hint)
        diagnostics.report("W_LS_UNMAPPED", message, rule.place, hint)


def _finished(rule: Rule, run: Run) -> Rule:
    try:
        return resolve(rule, run)
    except Refusal as refusal:
        place = refusal.place or rule.place
        raise RuleError(refusal.code, refusal.message, place, refusal.hint) from None


def load_pipelines(
    names_or_files: Sequence[str], placeholders: Placeholders | None = None
) -> Pipelines:
    """Pipelines by shipped name, alias or file, in the order of their priorities; of equal ones, as given.

    `placeholders` have values that win over the `vars` of the files. What is given twice runs once.
    Raises `RuleError` with the place: `E_PIPELINE` for a file that cannot be read, an unknown type
    or key, a bad parameter; `E_YAML` for what is no YAML; `E_PLACEHOLDER` for a placeholder without
    values.
    """
    warnings = Diagnostics()
    given = [(name, _contents(name)) for name in dict.fromkeys(map(_plain_name, names_or_files))]
    loaded: dict[tuple[str, str | None], Pipeline] = {}
    for name, data in given:
        for each in _with_base(_read_pipeline(data, name, warnings), warnings):
            loaded.setdefault((each.file, each.variant), each)
    given += [(name, shipped()[name].contents()) for p in loaded.values() for name in p.builds_on]
    ordered = tuple(sorted(loaded.values(), key=lambda pipeline: pipeline.priority))
    _warn_of_order(ordered, warnings)
    variables = {name: values for each in ordered for name, values in each.variables.items()}
    variables.update({name: _given_values(name, v) for name, v in (placeholders or {}).items()})
    return Pipelines(ordered, variables, _digest(given, placeholders or {}), tuple(warnings))


def _plain_name(name: str) -> str:
    """The name under which a pipeline is shipped, for an alias of it; others as they are."""
    found = find_shipped(name)
    return found.name if found else name


def _with_base(pipeline: Pipeline, warnings: Diagnostics) -> Iterator[Pipeline]:
    """A pipeline, behind those that it builds on, which run in its variant."""
    for name in pipeline.builds_on:
        base = _read_pipeline(shipped()[name].contents(), name, warnings)
        for below in _with_base(base, warnings):
            yield replace(below, variant=pipeline.variant or below.variant)
    yield pipeline


def _warn_of_order(ordered: Sequence[Pipeline], warnings: Diagnostics) -> None:
    """Of each field that a pipeline maps before another one adds it, and nobody maps later."""
    for number, early in enumerate(ordered):
        for position, late in enumerate(ordered[number + 1 :], number + 1):
            if early.variant is not None and late.variant not in (None, early.variant):
                continue
            again = {named.field for each in ordered[position:] for named in each.maps}
            for named in too_early(early.maps, late.adds):
                if named.field not in again:
                    message = (
                        f"`{named.field[:60]}` is mapped before `{late.file}` adds it, and what is "
                        "added keeps its name"
                    )
                    hint = f"give this pipeline a `priority` above {late.priority}, which that has"
                    warnings.report("W_PIPELINE_ORDER", message, named.place, hint)


def _contents(name: str) -> bytes:
    if name in shipped():
        return shipped()[name].contents()
    try:
        with Path(name).open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except (FileNotFoundError, IsADirectoryError) as error:
        message = f"there is no pipeline `{name}`"
        if isinstance(error, IsADirectoryError):
            message = f"`{name}` is a folder, and a pipeline is a file"
        raise RuleError(CODE, message, Place(name), hint_for(name)) from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a file name"
        raise RuleError(CODE, f"the pipeline cannot be read: {reason}", Place(name)) from None


def _digest(given: list[tuple[str, bytes]], placeholders: Placeholders) -> str:
    parts: list[Any] = [[name, hashlib.sha256(data).hexdigest()] for name, data in given]
    parts.append({name: list(values) for name, values in placeholders.items()})
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _given_values(name: str, values: Sequence[str | int | float]) -> tuple[str, ...]:
    if not values:
        raise RuleError("E_PLACEHOLDER", f"the placeholder `{name}` is given no value", Place())
    return tuple(str(value) for value in values)


def _read_pipeline(data: bytes, file: str, warnings: Diagnostics) -> Pipeline:
    found = list(documents(data, file, MAX_NODES))
    if len(found) != 1:
        message = "the file is empty" if not found else "a pipeline file has one document only"
        place = found[1].root.place(file, 1) if found else Place(file)
        raise RuleError(CODE, message, place)
    given = Parameters(found[0], found[0].root, "a pipeline")
    given.text("name", "")
    given.optional("allowed_backends")
    priority = given.integer("priority")
    variant = given.text("variant", "") or None
    builds_on = _builds_on(given)
    if variant is not None and not variant.isidentifier():
        node = given.optional("variant")
        raise given.fail(
            f"`{variant[:60]}` cannot be a variant", node, "use letters, digits and `_`"
        )
    for key in ("postprocessing", "finalizers"):
        ignored = given.optional(key)
        if ignored is not None:
            message = f"`{key}` is ignored: it is for the text of queries"
            warnings.report("W_PIPELINE", message, given.place(ignored))
    claims = _claims(given)
    variables = _variables(given, warnings)
    transformations = given.optional("transformations")
    items = (
        read_processing_items(given.document, transformations, warnings)
        if transformations is not None
        else ProcessingItems()
    )
    if transformations is not None:
        report_differences(given.document, transformations, warnings)
    given.finish()
    adds = added_fields(given.document, transformations)
    maps = mapped_fields(given.document, transformations)
    return Pipeline(file, priority, variant, claims, variables, items, adds, maps, builds_on)


def _builds_on(given: Parameters) -> tuple[str, ...]:
    node = given.optional("builds_on")
    names = given.optional_names("builds_on") or ()
    for name in names:
        if name not in shipped():
            raise given.fail(f"no pipeline `{name[:60]}` is shipped", node, hint_for(name))
    return names


def _claims(given: Parameters) -> tuple[LogsourceTest, ...]:
    node = given.optional("maps_logsource")
    if node is None:
        return ()
    made = []
    for child in node.value if node.is_list else [node]:
        claim = Parameters(given.document, child, "`maps_logsource`")
        made.append(logsource(claim))
        claim.finish()
    return tuple(made)


def _variables(given: Parameters, warnings: Diagnostics) -> dict[str, tuple[str, ...]]:
    made: dict[str, tuple[str, ...]] = {}
    for source, target in given.pairs("vars", optional=True):
        name = given.name(source, "the name of a variable")
        nodes = target.value if target.is_list else [target]
        if not all(_is_value(node) for node in nodes):
            message = (
                f"`{name[:60]}` is no list of strings and numbers, so no placeholder can use it"
            )
            warnings.report("W_PIPELINE", message, given.place(target))
        elif not nodes:
            raise given.fail(f"the variable `{name[:60]}` has no values", target)
        else:
            made[name] = tuple(str(given.as_scalar(node, f"`{name[:60]}`")) for node in nodes)
    return made


def _is_value(node: Node) -> bool:
    return isinstance(node.value, (str, int, float)) and not isinstance(node.value, bool)
