"""One source file compiled as far as it can be by itself: the unit of the build's cache and of its parallel work.

A unit is plain JSON types from end to end. Some of them are generated code: who can write a unit can write a pack.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from sigmac.compiler.checks import cannot_match, check_file, check_rule
from sigmac.compiler.checks.among_rules import outline
from sigmac.compiler.checks.metadata import Document
from sigmac.compiler.codegen.formatter import format_pieces
from sigmac.compiler.codegen.printer import print_body, print_expression
from sigmac.compiler.codegen.programs import program
from sigmac.compiler.codegen.questions import questions
from sigmac.compiler.codegen.quoting import Code, identifier, literal, prose
from sigmac.compiler.codegen.templates import render
from sigmac.compiler.diagnostics.conventions import NO_CONVENTIONS, Conventions
from sigmac.compiler.diagnostics.diagnostic import RuleError, plain_diagnostic
from sigmac.compiler.ir.expressions import (
    AtLeast,
    Const,
    Expression,
    Named,
    Or,
    Predicate,
    bottom_up,
    distinct_predicates,
)
from sigmac.compiler.lowering.lower_rule import lower_rule
from sigmac.compiler.optimizer import Profile, optimize
from sigmac.compiler.optimizer.deduplicate import deduplicate
from sigmac.compiler.optimizer.flatten import flatten
from sigmac.compiler.optimizer.gate import gate
from sigmac.compiler.optimizer.logsource_part import logsource_part
from sigmac.compiler.pipeline import Pipelines, Variant
from sigmac.compiler.syntax.documents import FileContents, read_file
from sigmac.compiler.syntax.filter import join
from sigmac.compiler.syntax.rule import Filter, LogSource, Rule

Plain = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Options:
    """What decides how a rule is compiled, besides its text."""

    pipelines: Pipelines
    strict_logsource: bool = False
    optimize: bool = True
    logsources: tuple[Mapping[str, str], ...] = ()  # rules of these only; none: all
    profile: Profile | None = None
    conventions: Conventions = NO_CONVENTIONS


@dataclass(slots=True)
class Compiled:
    """A rule on its way through the compiler; `variants` are empty where a pipeline refused it."""

    rule: Rule
    variants: tuple[Variant, ...] = ()
    lowered: Expression | None = None
    optimized: Expression | None = None
    passes: list[list[Any]] = field(default_factory=list)


def compile_rule(
    rule: Rule, options: Options, contents: FileContents, filters: Sequence[Filter] = ()
) -> Compiled:
    """Filters, pipelines, lowering and optimizer for one rule; a refusal goes to the file's diagnostics."""
    compiled = Compiled(rule)
    try:
        compiled.rule = rule = join(rule, filters)
        variants = options.pipelines.apply(
            rule, contents.diagnostics, strict_logsource=options.strict_logsource
        )
        lowered = lower_rule(variants)
    except RuleError as error:
        contents.diagnostics.catch(error)
        contents.refused += 1
        contents.refused_names += [name for name in (rule.meta.id, rule.meta.name) if name]
        return compiled
    compiled.variants = variants
    compiled.lowered = compiled.optimized = lowered
    if options.optimize:
        sizes = {compiled.lowered: _size(compiled.lowered)}

        def observe(name: str, before: Expression, after: Expression) -> None:
            if after not in sizes:
                sizes[after] = _size(after)
            compiled.passes.append([name, *sizes[before], *sizes[after], after is not before])

        compiled.optimized = optimize(compiled.lowered, options.profile, observe)
    return compiled


def _size(expression: Expression) -> tuple[int, int]:
    """Nodes and predicates of an expression, repeats included."""

    def add(node: Expression, operands: tuple[tuple[int, int], ...]) -> tuple[int, int]:
        nodes = 1 + sum(each[0] for each in operands)
        return nodes, isinstance(node, Predicate) + sum(each[1] for each in operands)

    return bottom_up(expression, add)


def compile_unit(
    data: bytes,
    file: str,
    source: str,
    options: Options,
    filters: Mapping[int, Sequence[Filter]] = MappingProxyType({}),
    needed: Collection[int] = (),
) -> Plain:
    """Everything a build needs of one file.

    `file` is the name for diagnostics, `source` the one for the pack, `filters` are those that act on a rule, by its
    document; the rules of the documents `needed` are compiled whatever their logsource, to be counted only. Keys of the
    result: `rules`, `diagnostics`, `refused` (the number of documents left out because of an error), `skipped` (for
    each rule of another logsource its document and what it can be referred to by), `outlines` by kind, `failed` (those
    of the rules that a pipeline refused), and `others`: whether correlations or filters are in the file, which are not
    kept in units.
    """
    contents = read_file(data, file)
    contents.diagnostics.extend(check_file(contents, options.conventions))
    made: list[Plain] = []
    kinds: dict[str, Sequence[Document]] = {
        "rules": [rule for rule in contents.rules if _is_wanted(rule, options, needed)],
        "correlations": contents.correlations,
        "filters": contents.filters,
        "refused": contents.refused_documents,
    }
    failed: list[Any] = []
    skipped: list[list[Any]] = []
    number = -1  # among the wanted rules
    for rule in contents.rules:
        document = rule.place.document
        if not _is_wanted(rule, options, needed):
            skipped.append([document, (rule.meta.id or "").lower(), rule.meta.name or ""])
            continue
        number += 1
        compiled = compile_rule(rule, options, contents, filters.get(document, ()))
        said = [*check_rule(compiled.rule, compiled.lowered, options.conventions)]
        contents.diagnostics.extend(said)
        if compiled.optimized is None:
            failed.append(outline(rule).plain())
        else:
            # That of the rule as it is written, by its place, where no filter adds to it.
            said_of = number if compiled.rule is rule else outline(compiled.rule).plain()
            unit = _rule_unit(compiled, compiled.optimized, source, options.profile)
            counted = {"only_counted": document in needed, "never": cannot_match(rule, said)}
            made.append({**unit, "outline": said_of, **counted})
    return {
        "source": source,
        "rules": made,
        "refused": contents.refused,
        "skipped": skipped,
        "diagnostics": [
            plain_diagnostic(each) for each in contents.diagnostics if each.severity != "note"
        ],
        "outlines": {
            kind: [outline(each).plain() for each in found] for kind, found in kinds.items()
        },
        "failed": failed,
        "refused_names": sorted(contents.refused_names),
        "others": bool(contents.correlations or contents.filters),
    }


def _is_wanted(rule: Rule, options: Options, needed: Collection[int]) -> bool:
    return (
        not options.logsources
        or rule.place.document in needed
        or any(_wanted(rule.logsource, w) for w in options.logsources)
    )


def _wanted(logsource: LogSource, wanted: Mapping[str, str]) -> bool:
    have = {
        "product": logsource.product,
        "category": logsource.category,
        "service": logsource.service,
    }
    return all((have[key] or "").lower() == value.lower() for key, value in wanted.items())


def _rule_unit(
    compiled: Compiled, expression: Expression, source: str, profile: Profile | None
) -> Plain:
    rule = compiled.rule
    place = f"{source}:{rule.place.line}"
    guard, rest = _guard(expression)
    body = print_body(rest)
    base = identifier(_stem(source) if rule.place.document == 0 else rule.meta.title)
    # What pipelines ask is asked before any gate, once for all rules of a logsource: it opens none.
    first = gate(rest, profile) or gate(expression, profile)
    second = (
        None if first is None else gate(rest, profile, {each.field for each in first.predicates})
    )
    function = render(
        "rule_function",
        name=base,
        title=prose(rule.meta.title),
        level=prose(rule.meta.level or ""),
        source=prose(place),
        filters=prose(", ".join(each.meta.title for each in rule.filters)),
        guarded=guard is not None,
        statements=body.statements,
        result=body.result,
    )
    metadata = render(
        "rule_metadata", name=base, attributes=_attributes(compiled, body.renamed, place)
    )
    asked = questions(expression, first, second)
    decision = program(rest, asked)
    guarded = [] if guard is None else program(guard, asked)
    fields = {
        *fields_of(rest),
        *(each.field or "" for g in (first, second) if g for each in g.predicates),
    }
    return {
        "name": base,
        "title": rule.meta.title,
        "id": rule.meta.id,
        "rule_name": rule.meta.name,
        "logsource": list(rule.logsource.key),
        "document": rule.place.document,
        "module": _module(rule.logsource),
        "subject": str(rule.logsource),
        "function": function,
        "metadata": metadata,
        "guard": None if guard is None else print_expression(guard),
        "guard_fields": [] if guard is None else sorted(fields_of(guard)),
        "questions": {
            **asked.plain(),
            "fields": sorted(fields),
            "program": decision,
            "guard_program": guarded,
        },
        "passes": compiled.passes,
        "about": _about(compiled),
        "meaning": _meaning(compiled),
        "place": [*rule.place],
    }


_ABOUT = ("level", "status", "tags", "description", "author")


def _about(compiled: Compiled) -> Plain:
    """What the page of a build shows of the rule besides."""
    given = compiled.variants[0].rule.meta.attributes()  # pipelines may add some
    about = {key: given[key] for key in _ABOUT if key in given}
    return {**about, "filters": [each.meta.title for each in compiled.rule.filters]}


def _meaning(compiled: Compiled) -> str:
    """A digest of what the rule asks of events, whatever it and its selections are called and wherever it stands."""

    def digest(node: Expression, operands: tuple[bytes, ...]) -> bytes:
        # Each distinct node once: written out, a selection that is used ten thousand times would be so long.
        if isinstance(node, Named):
            return operands[0]
        if isinstance(node, Predicate):
            said = repr((node.field, node.op.value, node.argument, node.cased))
        elif isinstance(node, AtLeast):
            said = f"at least {node.count}"
        else:
            said = type(node).__name__ if not isinstance(node, Const) else repr(node)
        return hashlib.sha256(said.encode("utf-8", "surrogatepass") + b"".join(operands)).digest()

    assert compiled.lowered is not None
    return bottom_up(compiled.lowered, digest).hex()[:32]


def _guard(expression: Expression) -> tuple[Expression | None, Expression]:
    """The part that pipelines added, which the rules of a logsource share, and what is left for the rule's function."""
    guard, rest = logsource_part(expression)
    if guard is None and isinstance(expression, Or):
        # Of variants, each with a logsource condition of its own: their Or is necessary, and stays in the rule.
        parts = [
            logsource_part(each.operand)[0] if isinstance(each, Named) else None
            for each in expression.operands
        ]
        found = [part for part in parts if part is not None]
        if found and len(found) == len(parts):
            return flatten(deduplicate(Or(*found))), expression
    return guard, rest


def fields_of(expression: Expression) -> Iterator[str]:
    """The fields that an expression asks for, some of them several times; '' is every value."""
    for predicate in distinct_predicates(expression):
        yield predicate.field or ""
        if predicate.op.value == "same":
            yield predicate.argument[0]


def _stem(source: str) -> str:
    return source.rpartition("/")[2].rpartition(".")[0]


def _module(logsource: LogSource) -> str:
    return identifier("_".join(part for part in logsource.key if part).lower(), "logsource")


def _attributes(
    compiled: Compiled, renamed: Mapping[str, str], place: str
) -> list[tuple[Code, Code]]:
    """Arguments of `Rule(…)` in `rules.py`: what the author gave, defaults left out."""
    meta = compiled.variants[0].rule.meta  # pipelines may add attributes and fields
    found = [(Code(name), literal(value)) for name, value in meta.attributes().items()]
    logsource = compiled.rule.logsource
    source = ", ".join(
        f"{key}={literal(value)}"
        for key, value in zip(("product", "category", "service"), logsource.key, strict=True)
        if value
    )
    found.append((Code("logsource"), Code(f"LogSource({source})")))
    if compiled.rule.filters:
        found.append((Code("filters"), literal([f.meta.title for f in compiled.rule.filters])))
    variants = [each.name for each in compiled.variants if each.name]
    if variants:
        found.append((Code("variants"), literal(variants)))
    if meta.custom:
        found.append((Code("custom"), literal(dict(meta.custom))))
    if renamed:
        found.append((Code("renamed"), literal(dict(renamed))))
    found.append((Code("source"), literal(place)))
    return found


def format_units(units: list[Plain]) -> None:
    """Put the generated pieces of units in the formatter's style, all in one call."""
    rules = [rule for unit in units for rule in unit["rules"]]
    pieces = format_pieces([rule[kind] for rule in rules for kind in ("function", "metadata")])
    for i, rule in enumerate(rules):
        rule["function"], rule["metadata"] = pieces[2 * i], pieces[2 * i + 1]
