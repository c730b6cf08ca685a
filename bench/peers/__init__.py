"""Other Sigma engines on the same rules and events. Their code is fetched by their package managers, pinned.

Each peer is a folder with its program and, in `__init__.py`, `NAME`, `run(rules, events)` and `limits(rule)`.
No pipelines: not all of them know any, so every rule looks at every event.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from bench.peers import go, rsigma, sqlite
from bench.peers.agreement import (
    Difference,
    agreed,
    copy_rules,
    describe,
    differences,
    read_rules,
)
from bench.peers.result import PeerMissing, PeerResult

PEERS = (rsigma, go, sqlite)


@dataclass(frozen=True, slots=True)
class Comparison:
    """A peer on all rules, where it differs from us, and its run on the rules of `folder`, where it does not."""

    whole: PeerResult
    differences: list[Difference]
    folder: Path
    timed: PeerResult


def compare(
    rules: Path,
    events: Path,
    ours: Mapping[str, int],
    folder: Path,
    peers: Sequence[ModuleType] = PEERS,
) -> Iterator[Comparison]:
    """Run each of some peers that can be had here, and say on standard error where and why its answers are others.

    `ours` maps each rule that we took, by id, to the number of records that it matches. Each peer's `timed` run is
    over the rules of its own folder below `folder`: those that both took and count alike.
    """
    documents = {rule: document for rule, (_, document) in read_rules(rules).items()}
    for peer in peers:
        try:
            whole = peer.run(rules, events)
        except PeerMissing as reason:
            print(f"bench: {reason}", file=sys.stderr)
            continue
        found = differences(ours, whole.matches)
        same = agreed(ours, whole.matches)
        print(
            f"bench: {whole.name} {whole.version} took {whole.rules} rules, refused {whole.failed}; "
            f"of those that both took, {len(same)} match as often, {len(found)} do not",
            file=sys.stderr,
        )
        for line in describe(found, documents, peer.limits):
            print(f"  {line}", file=sys.stderr)
        target = folder / peer.__name__.rpartition(".")[2]
        copy_rules(rules, same, target)
        timed = whole if same == set(whole.matches) else peer.run(target, events)
        for line in describe(differences(ours, timed.matches), documents, peer.limits):
            print(f"  this time too: {line}", file=sys.stderr)
        yield Comparison(whole, found, target, timed)
