"""Rules compiled for the Go engine's API, through the cache of builds: a pack, and why the others are left out."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from sigmac.compat.go.faults import RuleFault, Unsupported, correlation_fault, fault_of
from sigmac.compat.go.rule_handles import GivenSource
from sigmac.compiler.diagnostics.diagnostic import RuleError
from sigmac.compiler.packaging.build import BuildOptions, BuildResult, compile_sources
from sigmac.compiler.packaging.build_cache import Cache, default_folder
from sigmac.compiler.packaging.writer import write_pack
from sigmac.compiler.syntax.documents import read_file
from sigmac.runtime.errors import SigmacError
from sigmac.runtime.pack.pack import Pack, load_pack

_KEYWORDS, _WHITE_SPACE = "go-keywords", "go-white-space"  # shipped pipelines

Document = tuple[str, int]  # a file as it is named, and the place of a document in it, from 0


@dataclass(frozen=True, slots=True)
class CompiledRules:
    """A pack, None where no rule is left; the document of each of its rules; one fault a document that is left out.

    `filters` is how many documents filter the rules.
    """

    pack: Pack | None
    documents: Sequence[Document]
    faults: Sequence[RuleFault]
    filters: int


def compile_rules(
    sources: Sequence[GivenSource],
    pipelines: Sequence[str],
    *,
    no_collapse_ws: bool,
    jobs: int = 1,
) -> CompiledRules:
    """Compile rule files, each rule by itself: what is faulty is left out.

    `jobs` are processes, 0 as many as there are cores; with 1 none is started. Raises `SigmacError` for a faulty
    pipeline.
    """
    own = (_KEYWORDS,) if no_collapse_ws else (_KEYWORDS, _WHITE_SPACE)
    options = BuildOptions("rules", pipelines=(*pipelines, *own), skip_errors=True, jobs=jobs)
    try:
        result = compile_sources(sources, options, Cache(default_folder()))
    except RuleError as error:
        raise SigmacError(str(error.diagnostic)) from None
    faults = _faults(sources, result)
    if not result.rendered:
        return CompiledRules(None, (), faults, result.filters)
    with tempfile.TemporaryDirectory(prefix="sigmac-rules-") as folder:
        write_pack(result.rendered, Path(folder) / "pack")
        pack = load_pack(Path(folder) / "pack")
    return CompiledRules(pack, result.documents, faults, result.filters)


def _faults(sources: Sequence[GivenSource], result: BuildResult) -> list[RuleFault]:
    """One a document, the first that was found; in the order of the files."""
    found: dict[Document, RuleFault] = {}
    for each in _correlations(sources):
        found[each.place.file, each.place.document] = each
    for error in result.errors:
        found.setdefault((error.place.file, error.place.document), fault_of(error))
    for document in result.documents:
        found.pop(document, None)  # what is said of it leaves out another
    order = {source.file: i for i, source in enumerate(sources)}
    return [
        found[each] for each in sorted(found, key=lambda each: (order.get(each[0], -1), each[1]))
    ]


def _correlations(sources: Sequence[GivenSource]) -> Iterator[Unsupported]:
    for source in sources:
        if b"correlation" in source.data:
            for each in read_file(source.data, source.file).correlations:
                yield correlation_fault(each.meta.title, each.place)
