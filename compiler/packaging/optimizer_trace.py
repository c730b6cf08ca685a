"""`--explain-optimizer`: one rule after each pass that changed it."""

from __future__ import annotations

from collections.abc import Sequence

from sigmac.compiler.diagnostics.diagnostic import Diagnostics
from sigmac.compiler.ir.expressions import Expression
from sigmac.compiler.optimizer import gate, optimize
from sigmac.compiler.packaging.build import BuildOptions
from sigmac.compiler.packaging.units import Options, compile_rule
from sigmac.compiler.pipeline import load_pipelines
from sigmac.compiler.syntax.documents import read_file
from sigmac.compiler.syntax.links import acting_in
from sigmac.compiler.syntax.rule_files import SourceFile
from sigmac.runtime.errors import InputError


def print_trace(sources: Sequence[SourceFile], options: BuildOptions, wanted: str) -> None:
    """Print every rule that `wanted` names (id, title or file name) from its lowering to its gate.

    Raises `InputError` where there is none.
    """
    pipelines = load_pipelines(options.pipelines, options.placeholders)
    unoptimized = Options(pipelines, options.strict_logsource, optimize=False)
    found = False
    files = [read_file(source.read(), source.file) for source in sources]
    filters = iter(acting_in(files, Diagnostics()).on)
    for source, contents in zip(sources, files, strict=True):
        in_file = wanted in (source.file, source.source, source.path.name, source.path.stem)
        for rule in contents.rules:
            on_it = next(filters)
            if not in_file and wanted not in (rule.meta.id, rule.meta.title):
                continue
            found = True
            compiled = compile_rule(rule, unoptimized, contents, on_it)
            print(f"{rule.meta.title}  ({rule.place})")
            for each in on_it:
                print(f"  filter: {each.meta.title}  ({each.place})")
            if compiled.lowered is None:
                print(
                    "  refused: " + "; ".join(each.message for each in contents.diagnostics.errors)
                )
                continue
            _print_passes(compiled.lowered)
    if not found:
        raise InputError(f"no rule has the id, title or file name `{wanted}`")


def _print_passes(expression: Expression) -> None:
    print(f"  lowered: {expression!r}")

    def observe(name: str, before: Expression, after: Expression) -> None:
        print(f"  {name}: {'no change' if after is before else repr(after)}")

    final = optimize(expression, observe=observe)
    chosen = gate(final)
    if chosen is None:
        print("  gate: none, the rule is tried on every event")
    else:
        shown = " or ".join(map(repr, chosen.predicates)) or "never"
        print(f"  gate: {shown} (estimated to hold for {chosen.probability:.2%} of events)")
