"""Rules compiled for the Go engine's API, and kept in the cache of builds: a pack, and why others are left out."""

from __future__ import annotations

import hashlib
import tempfile
from base64 import b64decode, b64encode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sigmac.compat.go.faults import RuleFault, correlation_fault, fault_of
from sigmac.compat.go.rule_handles import GivenSource
from sigmac.compiler.diagnostics.diagnostic import (
    Diagnostic,
    RuleError,
    diagnostic_of,
    plain_diagnostic,
)
from sigmac.compiler.packaging.build import BuildOptions, BuildResult, compile_sources
from sigmac.compiler.packaging.build_cache import Cache, compiler_digest, default_folder
from sigmac.compiler.packaging.writer import write_pack
from sigmac.compiler.pipeline import load_pipelines
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
    return compile_plain(sources, (*pipelines, *own), jobs)


def compile_plain(
    sources: Sequence[GivenSource], pipelines: Sequence[str], jobs: int
) -> CompiledRules:
    """The same with these pipelines and no other: keywords and white space are what they are to `sigmac build`."""
    options = BuildOptions("rules", pipelines=tuple(pipelines), skip_errors=True, jobs=jobs)
    cache = Cache(default_folder())
    try:
        key = _key(sources, options)
        made = cache.load(key)
        if not made:
            made = _compile(sources, options, cache)
            cache.store(key, made)
    except RuleError as error:
        raise SigmacError(str(error.diagnostic)) from None
    return CompiledRules(
        _load(made["files"]),
        [(file, document) for file, document in made["documents"]],
        [fault_of(diagnostic_of(each)) for each in made["faults"]],
        made["filters"],
    )


def _key(sources: Sequence[GivenSource], options: BuildOptions) -> str:
    """What everything is kept under that the sources, the pipelines and this compiler make."""
    digest = hashlib.sha256(load_pipelines(options.pipelines).digest.encode())
    digest.update(compiler_digest().encode())
    for source in sources:
        digest.update(source.file.encode("utf-8", "surrogateescape") + b"\0")
        digest.update(hashlib.sha256(source.data).digest())
    return f"rules-{digest.hexdigest()}"


def _compile(sources: Sequence[GivenSource], options: BuildOptions, cache: Cache) -> dict[str, Any]:
    """What is kept, as JSON types."""
    result = compile_sources(sources, options, cache)
    return {
        "files": {name: b64encode(data).decode() for name, data in result.rendered.items()},
        "documents": result.documents,
        "faults": [plain_diagnostic(each) for each in _faults(sources, result)],
        "filters": result.filters,
    }


def _load(files: Mapping[str, str]) -> Pack | None:
    if not files:
        return None
    with tempfile.TemporaryDirectory(prefix="sigmac-rules-") as folder:
        write_pack({name: b64decode(text) for name, text in files.items()}, Path(folder) / "pack")
        return load_pack(Path(folder) / "pack")


def _faults(sources: Sequence[GivenSource], result: BuildResult) -> list[Diagnostic]:
    """One a document, the first that was found; in the order of the files."""
    found: dict[Document, Diagnostic] = {}
    for each in (*_correlations(sources), *result.errors):
        found.setdefault((each.place.file, each.place.document), each)
    for document in result.documents:
        found.pop(document, None)  # what is said of it leaves out another
    order = {source.file: i for i, source in enumerate(sources)}
    return [
        found[each] for each in sorted(found, key=lambda each: (order.get(each[0], -1), each[1]))
    ]


def _correlations(sources: Sequence[GivenSource]) -> Iterator[Diagnostic]:
    for source in sources:
        if b"correlation" in source.data:
            for each in read_file(source.data, source.file).correlations:
                yield correlation_fault(each.meta.title, each.place)
