"""`sigmac build --verify`: is the pack that was made what the rules mean? Asked of each rule, by several processes."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sigmac.compiler.diagnostics.diagnostic import Diagnostics, RuleError
from sigmac.compiler.packaging.build import BuildOptions, BuildResult, Work, settled
from sigmac.compiler.packaging.writer import write_pack
from sigmac.compiler.syntax.documents import read_file
from sigmac.compiler.syntax.filter import join
from sigmac.compiler.validation.comparison import Found, PackedRule, compare
from sigmac.runtime.pack.pack import Pack, load_pack
from sigmac.runtime.processes import answers_of, cores, follow_parent

FILES = 24  # that a process takes at once
MIN_PARALLEL = 8  # files below which another process costs more than it gains
MAX_DIFFERENCES = 20  # after which no more rules are asked

Progress = Callable[[int, int], None]  # files done, files in all


def verify(
    result: BuildResult,
    options: BuildOptions,
    progress: Progress | None = None,
    *,
    keep: bool = False,
) -> Found:
    """Compare the pack of a build with the reference, over events made of each rule; `keep` some as cases.

    The pack is written to a folder for the time being and loaded as any other. The rules are read from their files'
    content again: nothing that the optimizer or the generator of code made is relied on. Raises `PackError` where the
    pack cannot even be loaded.
    """
    work = [each for each in result.work if each.data]
    jobs = min(options.jobs or cores(), -(-len(work) // FILES))
    chunks = [work[i : i + FILES] for i in range(0, len(work), FILES)]
    found = Found()
    done = 0
    with tempfile.TemporaryDirectory(prefix="sigmac-verify-") as folder:
        write_pack(result.rendered, Path(folder, "pack"))
        with _asked(chunks, jobs, folder, options, result, keep) as answers:
            for chunk, each in zip(chunks, answers, strict=True):
                found.add(each)
                done += len(chunk)
                if progress is not None:
                    progress(done, len(work))
                if len(found.differences) >= MAX_DIFFERENCES:
                    break
    return found


@contextmanager
def _asked(
    chunks: Sequence[Sequence[Work]],
    jobs: int,
    folder: str,
    options: BuildOptions,
    result: BuildResult,
    keep: bool,
) -> Iterator[Iterator[Found]]:
    """What is found of each chunk, in order."""
    numbers = {document: number for number, document in enumerate(result.documents)}
    given = folder, options, result.filter_files, numbers, keep
    if jobs < 2 or sum(map(len, chunks)) < MIN_PARALLEL:
        verifier = _Verifier(*given)
        yield map(verifier.found, chunks)
        return
    with answers_of(_found, chunks, jobs, _start, given, "the verification") as answers:
        yield answers


class _Verifier:
    """The pack and all that reads its rules again, in one process."""

    def __init__(
        self,
        folder: str,
        options: BuildOptions,
        filter_files: Sequence[tuple[str, bytes]],
        numbers: Mapping[tuple[str, int], int],
        keep: bool,
    ):
        self.pack: Pack = load_pack(Path(folder, "pack"))
        self._options, self._filters = settled(options, filter_files)
        self._numbers = numbers
        self._keep = keep

    def found(self, files: Sequence[Work]) -> Found:
        rules = [rule for file in files for rule in self._rules(file)]
        return compare(self.pack, rules, self._keep)

    def _rules(self, file: Work) -> Iterator[PackedRule]:
        """The rules of a file that are in the pack, as pipelines leave them."""
        for rule in read_file(file.data, file.file).rules:
            number = self._numbers.get((file.source, rule.place.document))
            if number is None:
                continue
            filters = [self._filters[i] for i in file.filters.get(rule.place.document, ())]
            try:
                made = self._options.pipelines.apply(join(rule, filters), Diagnostics())
            except RuleError:
                continue  # refused; so it is in no pack
            variants = tuple(each.rule for each in made)
            yield PackedRule(number, rule.meta, file.source, rule.place, variants)


_verifier: Any = None  # of this process, set by `_start`: packs do not travel


def _start(*given: Any) -> None:
    global _verifier
    follow_parent()
    _verifier = _Verifier(*given)


def _found(files: Sequence[Work]) -> Found:
    found: Found = _verifier.found(files)
    return found
