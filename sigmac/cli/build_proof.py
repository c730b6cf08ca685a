"""`sigmac build --verify`: what is said of the verification, as text and as JSON, and the witnesses that are kept."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from click.exceptions import Exit

from sigmac.cli.exit_status import ExitStatus
from sigmac.cli.options import counted, say
from sigmac.cli.progress import Progress

if TYPE_CHECKING:
    from sigmac.compiler.diagnostics.diagnostic import Place
    from sigmac.compiler.packaging.build import BuildOptions, BuildResult
    from sigmac.compiler.validation.comparison import Found, Share

MAX_SHOWN = 5  # differences


@dataclass(frozen=True, slots=True)
class Proof:
    """What the verification of a pack found, and the seconds that it took."""

    found: Found
    seconds: float


def prove(result: BuildResult, options: BuildOptions, witnesses: Path | None) -> Proof:
    """Verify the pack of a build, and keep events where they are to be written."""
    from sigmac.compiler.validation.verify import verify

    started = time.perf_counter()
    with Progress("verifying") as progress:
        found = verify(result, options, progress, keep=witnesses is not None)
    return Proof(found, time.perf_counter() - started)


def tell_proof(proof: Proof, verbose: bool) -> None:
    """Say what was proven; ends the command where the pack does not say what its rules mean."""
    found = proof.found
    for each in found.differences[:MAX_SHOWN]:
        say(f"internal error: {each}")
    if found.differences:
        say(
            "sigmac: nothing was written: the pack would not say what the rules mean. This is a fault of sigmac; "
            "please report it with the rule and the event"
        )
        raise Exit(ExitStatus.INTERNAL)
    say(
        f"verified: {counted(found.rules, 'rule')} on {counted(found.events, 'event')} in {proof.seconds:.1f} s; "
        f"seen both true and false: {found.predicates} predicates, {found.branches} branches"
    )
    if not found.batch:
        say("no kernels run here, so only the generated code was verified")
    if verbose:
        for unseen in found.unseen:
            say(str(unseen))


def write_proof(proof: Proof, witnesses: Path) -> None:
    """Write the events that were kept as cases, and say how many."""
    from sigmac.compiler.validation.witnesses import write_witnesses

    kept = proof.found.kept
    write_witnesses(kept.files, witnesses)
    say(f"witnesses {witnesses}: {counted(kept.cases, 'case')} of {counted(kept.rules, 'rule')}")


def proof_as_json(proof: Proof) -> dict[str, Any]:
    """A verification as `docs/reference.md` describes it."""
    found = proof.found
    return {
        "rules": found.rules,
        "events": found.events,
        "seconds": round(proof.seconds, 3),
        "batch_engine": found.batch,
        "predicates": _share(found.predicates),
        "branches": _share(found.branches),
        "unseen": [
            {
                "rule": each.title,
                **_place(each.place),
                "kind": "predicate" if each.is_predicate else "branch",
                "what": each.what,
                "never": each.never,
            }
            for each in found.unseen
        ],
        "differences": [
            {
                "rule": each.title,
                **_place(each.place),
                "why": each.why,
                "event": json.loads(each.event),
                "reference": each.reference,
                "generated_code": each.generated,
                "batch_engine": each.batch,
            }
            for each in found.differences
        ],
    }


def _share(share: Share) -> dict[str, int]:
    return {"of": share.of, "seen": share.seen}


def _place(place: Place) -> dict[str, Any]:
    return {"file": place.file, "line": place.line, "document": place.document}
