"""`make conformance`: what SigmaHQ's rules make of the corpora, as tables. Exit status 1 where something is wrong."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from sigmac.compiler.validation.verify import verify
from tests.conformance.corpora import (
    ACTIVE,
    FOLDER,
    MISSING,
    RECORDINGS,
    REGRESSION,
    RETIRED,
    SigmaHQ,
    load_json,
)
from tests.conformance.ecs_matches import (
    DIFFERENT,
    SHAPES,
    differences,
    ecs_pack,
    flat_matches,
    rules_in_use,
)
from tests.conformance.oracle import QUESTIONS, compare
from tests.conformance.oracle import RECORDINGS as ANSWERED
from tests.conformance.reasons import REASONS, reason_of
from tests.conformance.reference_pack import ReferencePack, disagreements, kinds, remembering
from tests.conformance.refusals import refusals

# Of the events of each recording so many, in equal distances, go through the reference with every rule.
EVERY = 10
ENOUGH_SEEN = 0.99  # of predicates and branches, both true and false by the verification


def main() -> int:
    """Print all tables; how many of them show something wrong decides the exit status."""
    given = argparse.ArgumentParser(prog="python -m tests.conformance", description=__doc__)
    given.add_argument(
        "--every",
        type=int,
        default=EVERY,
        metavar="N",
        help=f"ask the reference about each Nth event; 1 is all and takes hours (default: {EVERY})",
    )
    every: int = given.parse_args().every
    if not FOLDER.is_dir():
        print(MISSING, file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory(prefix="sigmac-conformance-") as folder:
        sigmahq = SigmaHQ(Path(folder))
        wrong = [
            *show_refusals(sigmahq),
            *show_proofs(sigmahq),
            *show_regression(sigmahq),
            *show_ecs(sigmahq),
            *show_oracle(sigmahq),
            *show_reference(sigmahq, every),
        ]
    print()
    for each in wrong:
        print("WRONG:", each)
    print("Something is wrong." if wrong else "All is as it should be.")
    return 1 if wrong else 0


def title(text: str) -> None:
    print(f"\n{text}\n{'=' * len(text)}")


def show_refusals(sigmahq: SigmaHQ) -> Iterator[str]:
    """The rules that do not compile, by folder and reason."""
    title("SigmaHQ's rules")
    found = refusals(sigmahq)
    for folder in (*ACTIVE, *RETIRED):
        refused = found.of(folder)
        reasons = ", ".join(f"{n} {code}" for code, n in Counter(e.code for e in refused).items())
        print(
            f"{folder:24} {found.rules.get(folder, 0):5} compile {len(refused):4} do not  {reasons}"
        )
    for code in sorted({each.code for each in found.refused}):
        print(f"\n{code}")
        for each in found.refused:
            if each.code == code:
                file = Path(each.place.file).relative_to(sigmahq.folder)
                print(f"  {file}:{each.place.line}: {each.message}")
    waiting = sum(each.code == "E_PLACEHOLDER" for each in found.refused)
    print(f"\nWith values for {len(found.placeholders)} placeholders {waiting} more rules compile.")
    for each in found.left:
        yield f"{each.place}: {each.code}: {each.message}"
    for folder in ACTIVE:
        for each in found.of(folder):
            if each.code != "E_PLACEHOLDER":
                yield f"{each.place}: {each.code}: {each.message}"


def show_proofs(sigmahq: SigmaHQ) -> Iterator[str]:
    """What `sigmac build --verify` says of the packs, on events made of each rule."""
    title("Proofs of the builds, on events made of each rule")
    print(f"{'pipelines':22} {'rules':>6} {'events':>8} {'predicates':>19} {'branches':>19}")
    unseen: dict[str, None] = {}
    for pipelines in ((), ("windows",), ("windows", "windows-audit")):
        compiled = sigmahq.pack(*pipelines)
        found = verify(compiled.build, compiled.options)
        print(
            f"{'+'.join(pipelines) or '(detection alone)':22} {found.rules:6} {found.events:8} "
            f"{found.predicates!s:>19} {found.branches!s:>19}",
            flush=True,
        )
        unseen |= dict.fromkeys(
            str(each).removeprefix(f"{sigmahq.folder}/") for each in found.unseen
        )
        yield from map(str, found.differences)
        for share in (found.predicates, found.branches):
            if share.seen < ENOUGH_SEEN * share.of:
                yield f"{'+'.join(pipelines)}: only {share} were seen both true and false"
    print("\nNot seen both true and false:")
    for line in unseen:
        print(f"  {line}")


def show_regression(sigmahq: SigmaHQ) -> Iterator[str]:
    """The recorded attacks that SigmaHQ keeps beside its rules."""
    title("Recorded attacks of SigmaHQ's regression tests")
    compiled = sigmahq.pack("windows")
    rules = compiled.pack.rules
    found = {(record + 1, rules[rule].id) for record, rule in compiled.matches(REGRESSION)}
    by_line = load_json("regression/expect.json")["by_line"]
    expected = {(int(line), rule) for line, ids in by_line.items() for rule in ids}
    print(f"{len(expected & found)} of {len(expected)} expected matches")
    for line, rule in sorted(expected - found):
        yield f"the rule {rule} does not match line {line} of {REGRESSION.file}"


def show_ecs(sigmahq: SigmaHQ) -> Iterator[str]:
    """The same attacks in the form of Winlogbeat, with the pipeline `ecs`."""
    title("Recorded attacks as Winlogbeat writes them, with `ecs`")
    flat = flat_matches(sigmahq)
    pack = ecs_pack(sigmahq, rules_in_use(sigmahq), sigmahq.folder / "pack-ecs")
    for shape in SHAPES:
        found = {*differences(pack, shape, flat)}
        print(f"{shape:18} {len(flat)} matches of flat events, {len(found)} differ")
        for record, file in sorted(found):
            if file not in DIFFERENT:
                yield f"line {record + 1} of {REGRESSION.file}, {shape}: {file}"
    for file, reason in DIFFERENT.items():
        print(f"  {file}: {reason}")


def show_oracle(sigmahq: SigmaHQ) -> Iterator[str]:
    """Matches that the pack and the oracle share, and what explains each of the others."""
    title("Matches, against pySigma with its SQLite backend")
    print(f"{'recording':14} {'pipelines':22} {'both':>6} {'only we':>8} {'only it':>8}  reasons")
    for pipelines in QUESTIONS:
        for recording in ANSWERED:
            compared = compare(sigmahq, pipelines, recording)
            ours = sum(each.ours for each in compared.differences)
            reasons: Counter[str] = Counter()
            for difference in compared.differences:
                reason = reason_of(difference)
                reasons[reason.__name__ if reason else "NONE"] += 1
                if reason is None:
                    yield f"{recording.name}, {'+'.join(pipelines) or 'detection'}: {difference}"
            shown = ", ".join(f"{n} {name}" for name, n in sorted(reasons.items()))
            print(
                f"{recording.name:14} {'+'.join(pipelines) or '(detection alone)':22} "
                f"{compared.both:6} {ours:8} {len(compared.differences) - ours:8}  {shown}"
            )
    print()
    for reason in REASONS:
        print(f"  {reason.__name__}: {reason.__doc__}")


def show_reference(sigmahq: SigmaHQ, every: int) -> Iterator[str]:
    """The pack against the reference evaluator, with the optimizer and without."""
    title(
        f"Answers, against the reference evaluator (each {every}. event, and the first of each kind)"
    )
    print(
        f"{'recording':14} {'pipelines':22} {'matches':>8} {'events':>7} {'wrong':>6} {'optimizer':>10}"
    )
    for pipelines in ((), ("windows", "windows-audit")):
        compiled, plain = sigmahq.pack(*pipelines), sigmahq.pack(*pipelines, optimize=False)
        rules = ReferencePack(compiled, sigmahq.variants(*pipelines))
        with remembering():
            for recording in RECORDINGS:
                sample = sorted({*kinds(recording), *range(0, len(recording.events), every)})
                wrong = disagreements(compiled, rules, recording, sample)
                changed = compiled.matches(recording) ^ plain.matches(recording)
                print(
                    f"{recording.name:14} {'+'.join(pipelines) or '(detection alone)':22} "
                    f"{len(compiled.matches(recording)):8} {len(sample):7} "
                    f"{len(wrong):6} {len(changed):10}",
                    flush=True,
                )
                for record, rule in sorted(wrong | changed):
                    yield f"{recording.name}, line {record + 1}: {compiled.sources[rule]}"


if __name__ == "__main__":
    sys.exit(main())
