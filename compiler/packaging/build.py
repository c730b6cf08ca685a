"""The build: sources → units (cached, in parallel) → a pack, with everything there is to say about it."""

from __future__ import annotations

import gc
import hashlib
import multiprocessing
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from sigmac.compiler.diagnostics.conventions import NO_CONVENTIONS, Conventions
from sigmac.compiler.diagnostics.diagnostic import (
    Diagnostic,
    Diagnostics,
    diagnostic_of,
    plain_diagnostic,
)
from sigmac.compiler.packaging.build_cache import Cache, compiler_digest
from sigmac.compiler.packaging.pass_reports import PassReport, pass_reports
from sigmac.runtime.errors import PackError
from sigmac.runtime.pack.seal import read_files, read_manifest, sha256
from sigmac.runtime.processes import answers_of, cores, follow_parent

if TYPE_CHECKING:
    from sigmac.compiler.packaging.built_documents import BuiltDocument
    from sigmac.compiler.packaging.units import Options
    from sigmac.compiler.pipeline import Pipelines
    from sigmac.compiler.syntax.correlation import Correlation
    from sigmac.compiler.syntax.rule import Filter, Rule
    from sigmac.compiler.syntax.rule_files import SourceFile

Plain = dict[str, Any]
Progress = Callable[[int, int], None]  # files done, files in all

CHUNK = 96  # files a worker takes at once
MIN_PARALLEL = 100  # files below which starting workers costs more than it gains


@dataclass(frozen=True, slots=True)
class BuildOptions:
    """What `sigmac build` was asked for. `placeholders` and `pipelines` as `load_pipelines` takes them."""

    name: str
    version: str = "0.0.0"
    pipelines: tuple[str, ...] = ()
    placeholders: Mapping[str, Sequence[str | int | float]] = field(default_factory=dict)
    logsources: tuple[Mapping[str, str], ...] = ()
    strict_logsource: bool = False
    optimize: bool = True
    profile: Path | None = None  # of real events, as `sigmac run --profile` writes it
    skip_errors: bool = False
    conventions: Conventions = NO_CONVENTIONS
    jobs: int = 0  # 0: as many as there are cores


@dataclass(slots=True)
class BuildResult:
    """What a build found and did. `unchanged` when the pack that is there is what would have been written."""

    rules: int = 0
    refused: int = 0
    skipped: int = 0
    files: int = 0
    correlations: int = 0
    silent: int = 0  # rules whose matches only count for correlations
    filters: int = 0
    passes: list[PassReport] = field(default_factory=list)
    diagnostics: list[Diagnostic] = field(default_factory=list)
    cached: int = 0
    unchanged: bool = False
    rendered: dict[str, bytes] = field(default_factory=dict)
    work: Sequence[Work] = ()  # the files, and the filters that act on their rules
    filter_files: Sequence[tuple[str, bytes]] = ()  # in which those filters stand
    documents: Sequence[tuple[str, int]] = ()  # of each rule of the pack: its source and document
    # These rules, then correlations and filters
    built: Callable[[], Iterable[BuiltDocument]] = tuple

    @property
    def errors(self) -> list[Diagnostic]:
        return [each for each in self.diagnostics if each.is_error]


def compile_sources(
    sources: Sequence[SourceFile],
    options: BuildOptions,
    cache: Cache,
    output: Path | None = None,
    progress: Progress | None = None,
) -> BuildResult:
    """Compile rule files to the files of a pack.

    Where `output` holds a pack of exactly these inputs nothing is compiled and `unchanged` is set. `rendered` is
    empty then, and where there are errors and `skip_errors` is off. Raises `InputError` for a file that cannot be
    read and `RuleError` for a faulty pipeline.
    """
    data = [source.read() for source in sources]
    digests = [sha256(each) for each in data]
    told = f"result-{_told_of(sources, digests, options)}"
    if output is not None:
        # What compiles is not even imported for it.
        known = cache.load(told)
        if known and _holds(output, known["inputs"]):
            return _result_of(known)
    from sigmac.compiler.checks.ignore_comments import without_ignored
    from sigmac.compiler.packaging.relations import needed_rules, read_others, relate_filters
    from sigmac.compiler.pipeline import load_pipelines

    _collect_rarely()
    loaded = load_pipelines(options.pipelines, options.placeholders)
    settings = _settings(options, loaded)
    inputs = _digest(
        settings,
        options.name,
        options.version,
        options.skip_errors,
        *zip((s.source for s in sources), digests, strict=True),
    )
    # What is told of the sources, and how they are named, makes no other pack.
    shown = _digest(options.conventions.plain(), *(source.file for source in sources))
    key = f"units-{_digest(settings, shown)}"
    units = _Units(options, cache.load(key), progress)
    work = [
        Work(f"{digest} {source.source}", content, source.file, source.source)
        for source, digest, content in zip(sources, digests, data, strict=True)
    ]
    done = units.of(work)
    result = BuildResult(files=len(sources), diagnostics=list(loaded.warnings))
    others = [i for i, unit in enumerate(done) if unit["others"]]
    files = [(sources[i].file, data[i]) for i in others]
    correlations, filters = read_others(files)
    if options.logsources:
        kept, needed = needed_rules(done, correlations)
        result.skipped = len(correlations) - len(kept)
        correlations = kept
        work = [each.with_needed(some) for each, some in zip(work, needed, strict=True)]
        done = units.of(work)
    sound: list[Filter] = []
    if filters:
        # Which rules a filter acts on is known when all files are: a name may be another rule's too. So the files
        # of these rules are compiled once more.
        found = Diagnostics()
        sound, filtered = relate_filters(done, correlations, filters, found)
        result.diagnostics += found.found
        result.refused = len(filters) - len(sound)
        digest_of = {sources[i].file: digests[i] for i in others}
        named = [[digest_of[each.place.file], each.place.document] for each in filters]
        again = [
            each.with_filters(by_document, named)
            for each, by_document in zip(work, filtered, strict=True)
        ]
        done = units.of(again, files)
        work = again
        result.filter_files = files
    result.work = work
    units.keep(cache, key)
    result.cached = len(sources) - len(units.compiled)
    _assemble(
        done,
        correlations,
        filters,
        sound,
        work,
        digests,
        options,
        loaded,
        settings,
        inputs,
        result,
    )
    by_name = dict(zip((source.file for source in sources), data, strict=True))
    result.diagnostics = without_ignored(result.diagnostics, by_name)
    if result.rendered:
        cache.store(told, {"inputs": inputs, **_plain_result(result)})
    return result


def _settings(options: BuildOptions, pipelines: Pipelines) -> str:
    """A digest of everything but the sources that decides what a unit holds."""
    return _digest(
        compiler_digest(),
        pipelines.digest,
        [sorted(each.items()) for each in options.logsources],
        options.strict_logsource,
        options.optimize,
        None if options.profile is None else sha256(options.profile.read_bytes()),
    )


def _told_of(sources: Sequence[SourceFile], digests: Sequence[str], options: BuildOptions) -> str:
    """A digest of everything that decides what a build makes and tells, before anything is looked into.

    The pipelines that are shipped are part of the compiler.
    """
    files = [Path(name) for name in options.pipelines]
    if options.profile is not None:
        files.append(options.profile)
    return _digest(
        compiler_digest(),
        [options.name, options.version, options.skip_errors, options.pipelines],
        {name: [*values] for name, values in options.placeholders.items()},
        [sorted(each.items()) for each in options.logsources],
        [options.strict_logsource, options.optimize, str(options.profile)],
        options.conventions.plain(),
        [sha256(each.read_bytes()) for each in files if each.is_file()],
        [(s.source, s.file, digest) for s, digest in zip(sources, digests, strict=True)],
    )


def _digest(*parts: Any) -> str:
    return hashlib.sha256(orjson.dumps(parts)).hexdigest()


def _holds(output: Path, inputs: str) -> bool:
    """Whether a folder holds an unharmed pack of these inputs."""
    try:
        manifest, _ = read_manifest(output)
        if manifest.get("inputs") != inputs:
            return False
        read_files(output, manifest)
    except PackError:
        return False
    return True


def _collect_rarely() -> None:
    """Compilation makes trees, hardly any cycle: the collector would walk them again and again."""
    gc.set_threshold(200_000, 20, 100)


@dataclass(frozen=True, slots=True)
class Work:
    """A file to compile: `key` is that of its unit, `filters` has the numbers of those that act on the rule of a
    document, `needed` are the documents of rules that are compiled whatever their logsource.
    """

    key: str
    data: bytes
    file: str
    source: str
    filters: Mapping[int, Sequence[int]] = field(default_factory=dict)
    needed: tuple[int, ...] = ()

    def with_needed(self, documents: Sequence[int]) -> Work:
        """The same file with rules of other logsources that correlations need."""
        if not documents:
            return self
        return replace(self, key=f"{self.key} +{documents}", needed=tuple(documents))

    def with_filters(
        self, filters: Mapping[int, Sequence[int]], named: Sequence[Sequence[Any]]
    ) -> Work:
        """The same file with filters, of which `named` says what the unit depends on."""
        if not filters:
            return self
        taken = [[document, *(named[i] for i in each)] for document, each in filters.items()]
        return replace(self, key=f"{self.key} {_digest(taken)}", filters=filters)


class _Units:
    """The units of a build, those `known` from earlier ones and those that it compiles."""

    def __init__(
        self, options: BuildOptions, known: Mapping[str, Plain], progress: Progress | None
    ):
        self.options, self.known, self.progress = options, known, progress
        self.made: dict[str, Plain] = {}
        self.compiled: set[str] = set()  # files

    def of(self, work: Sequence[Work], filters: Sequence[tuple[str, bytes]] = ()) -> list[Plain]:
        """The unit of each file. `filters` are the files, name and data, that the numbers of filters count through."""
        self.made |= {each.key: self.known[each.key] for each in work if each.key in self.known}
        missing = [each for each in work if each.key not in self.made]
        compiled = _compile_all(missing, self.options, self.progress, filters)
        self.made |= {each.key: unit for each, unit in zip(missing, compiled, strict=True)}
        self.compiled |= {each.source for each in missing}
        return [self.made[each.key] for each in work]

    def keep(self, cache: Cache, key: str) -> None:
        """Store the units for the next build, where some are new."""
        if self.compiled:
            cache.store(key, self.made)


# Set in each worker by `_start`: pipelines hold functions and do not travel, nor do filters.
_options: Any = None
_filters: list[Filter] = []


def settled(
    options: BuildOptions, filters: Sequence[tuple[str, bytes]]
) -> tuple[Options, list[Filter]]:
    """What decides how rules are compiled, and the filters of some files, as a process needs them."""
    from sigmac.compiler.optimizer.measured_profile import load_profile
    from sigmac.compiler.packaging.relations import read_others
    from sigmac.compiler.packaging.units import Options
    from sigmac.compiler.pipeline import load_pipelines

    chosen = Options(
        load_pipelines(options.pipelines, options.placeholders),
        options.strict_logsource,
        options.optimize,
        options.logsources,
        None if options.profile is None else load_profile(options.profile),
        options.conventions,
    )
    return chosen, read_others(filters)[1]


def _start(options: BuildOptions, filters: Sequence[tuple[str, bytes]]) -> None:
    global _options, _filters
    if multiprocessing.parent_process() is not None:
        follow_parent()
        gc.enable()
    _collect_rarely()
    _options, _filters = settled(options, filters)


def _compile_chunk(work: Sequence[Work]) -> bytes:
    """Units as JSON: what a worker sends back is data."""
    from sigmac.compiler.packaging.units import compile_unit, format_units

    units = []
    for each in work:
        filters = {document: [_filters[i] for i in n] for document, n in each.filters.items()}
        unit = compile_unit(each.data, each.file, each.source, _options, filters, each.needed)
        units.append(unit)
    format_units(units)
    return orjson.dumps(units)


def _compile_all(
    work: Sequence[Work],
    options: BuildOptions,
    progress: Progress | None,
    filters: Sequence[tuple[str, bytes]],
) -> Iterable[Plain]:
    import sigmac.compiler.packaging.units  # noqa: F401  # once, before there are more processes

    jobs = min(options.jobs or cores(), len(work) // CHUNK + 1)
    chunks = [work[i : i + CHUNK] for i in range(0, len(work), CHUNK)]
    done: list[Plain] = []

    def take(made: bytes) -> None:
        done.extend(orjson.loads(made))
        if progress is not None:
            progress(len(done), len(work))

    if jobs == 1 or len(work) < MIN_PARALLEL:
        if work:
            _start(options, filters)
        for chunk in chunks:
            take(_compile_chunk(chunk))
        return done
    arguments = options, filters
    with answers_of(_compile_chunk, chunks, jobs, _start, arguments, "the build") as compiled:
        for made in compiled:
            take(made)
    return done


def _assemble(
    units: Sequence[Plain],
    correlations: list[Correlation],
    filters: Sequence[Filter],
    sound: list[Filter],
    work: Sequence[Work],
    digests: Sequence[str],
    options: BuildOptions,
    pipelines: Pipelines,
    settings: str,
    inputs: str,
    result: BuildResult,
) -> None:
    from sigmac.compiler.checks import check_outlines
    from sigmac.compiler.checks.among_rules import outline_of
    from sigmac.compiler.optimizer.measured_profile import load_profile
    from sigmac.compiler.packaging.built_documents import built_documents
    from sigmac.compiler.packaging.relations import Documents, outlines_of, relate
    from sigmac.compiler.packaging.writer import Identity, render_pack
    from sigmac.compiler.syntax.documents import read_file

    rules = [rule for unit in units for rule in unit["rules"]]
    found = Diagnostics([diagnostic_of(each) for unit in units for each in unit["diagnostics"]])
    refused = {name for unit in units for name in unit["refused_names"]}
    pairs = [outlines_of(unit) for unit in units]
    joined = [outline for each, _ in pairs for outline in each]
    outlines = {
        kind: [outline_of(each) for unit in units for each in unit["outlines"][kind]]
        for kind in ("correlations", "filters", "refused")
    }
    written = [outline for _, each in pairs for outline in each]
    failed = [outline_of(each) for unit in units for each in unit["failed"]]
    left_out = [*outlines["refused"], *failed]
    at = [(i, rule["document"]) for i, unit in enumerate(units) for rule in unit["rules"]]

    def read(rule: int) -> Rule:
        """The whole rule that one in a unit was made of."""
        number, document = at[rule]
        contents = read_file(work[number].data, work[number].file)
        return next(each for each in contents.rules if each.place.document == document)

    linked, known = relate(
        rules, joined, correlations, filters, found, read, pipelines, refused, left_out
    )
    linked.sources.update((each.file, each.source) for each in work)
    documents = Documents(linked, sound, known)
    compared = check_outlines([*written, *chain.from_iterable(outlines.values())])
    found.extend(each for each in compared if each.severity != "note")
    result.refused += sum(unit["refused"] for unit in units)
    result.skipped += sum(len(unit["skipped"]) for unit in units)
    result.documents = [(work[number].source, document) for number, document in at]
    result.built = partial(built_documents, rules, documents)
    result.rules = len(rules)
    result.correlations = len(documents.linked.correlations)
    result.filters = len(documents.filters)
    result.silent = sum(
        id(each) in linked.silent or rule["only_counted"]
        for each, rule in zip(known, rules, strict=True)
    )
    result.passes = pass_reports(rules)
    result.diagnostics += found.found
    if (result.errors and not options.skip_errors) or not rules:
        return
    identity = Identity(
        options.name,
        options.version,
        inputs,
        {
            "pipelines": list(options.pipelines),
            "logsources": [dict(each) for each in options.logsources],
            "optimize": options.optimize,
            "profiled": options.profile is not None,
            "strict_logsource": options.strict_logsource,
            "settings": settings,
        },
        {each.source: digest for each, digest in zip(work, digests, strict=True)},
    )
    rare = [] if options.profile is None else load_profile(options.profile).rare_fields()
    result.rendered = render_pack(rules, documents, identity, rare)


def _plain_result(result: BuildResult) -> Plain:
    return {
        "counts": {
            "rules": result.rules,
            "refused": result.refused,
            "skipped": result.skipped,
            "files": result.files,
            "correlations": result.correlations,
            "silent": result.silent,
            "filters": result.filters,
        },
        "passes": [[each.name, each.nodes, each.predicates] for each in result.passes],
        "diagnostics": [plain_diagnostic(each) for each in result.diagnostics],
    }


def _result_of(plain: Plain) -> BuildResult:

    result = BuildResult(**plain["counts"], unchanged=True)
    result.cached = result.files
    result.passes = [PassReport(n, tuple(a), tuple(b)) for n, a, b in plain["passes"]]
    result.diagnostics = [diagnostic_of(each) for each in plain["diagnostics"]]
    return result
