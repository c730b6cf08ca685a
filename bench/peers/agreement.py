"""Whether a peer gives the same answers, rule by rule, so that nobody is timed on other work."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml


@dataclass(frozen=True, slots=True)
class Difference:
    """A rule, by id, that matches other numbers of records here and there."""

    rule: str
    ours: int
    theirs: int


def differences(ours: Mapping[str, int], theirs: Mapping[str, int]) -> list[Difference]:
    """The rules that both took and count differently, the largest difference first.

    Both map every rule that an engine took to the number of records that it matches, 0 too.
    """
    found = [
        Difference(rule, count, theirs[rule])
        for rule, count in ours.items()
        if rule in theirs and theirs[rule] != count
    ]
    return sorted(found, key=lambda each: (-abs(each.ours - each.theirs), each.rule))


def agreed(ours: Mapping[str, int], theirs: Mapping[str, int]) -> set[str]:
    """The rules that both took and count alike: what both may be timed on."""
    return {rule for rule, count in ours.items() if theirs.get(rule) == count}


def describe(
    found: Iterable[Difference],
    rules: Mapping[str, dict[str, Any]],
    limits: Callable[[dict[str, Any]], Iterable[str]],
) -> Iterator[str]:
    """A line a difference, with the rule's title, and what of the rule the peer is known to do otherwise.

    `rules` are the rules' documents by id, `limits` a peer's own function of one.
    """
    for each in found:
        rule = rules[each.rule]
        reasons = "; ".join(limits(rule)) or "unexplained"
        yield f"{rule['title']} ({each.rule}): {each.ours} here, {each.theirs} there: {reasons}"


def read_rules(folder: Path) -> dict[str, tuple[Path, dict[str, Any]]]:
    """The rule files below a folder, one document each: path and document by the rule's id."""
    found = {}
    for path in sorted(folder.rglob("*.yml")):
        rule = yaml.load(path.read_bytes(), yaml.CSafeLoader)
        found[rule["id"]] = (path, rule)
    return found


def copy_rules(folder: Path, chosen: Collection[str], target: Path) -> None:
    """Make `target` a folder that holds only the chosen rules of another, by their ids, in the same subfolders."""
    shutil.rmtree(target, ignore_errors=True)
    for rule, (path, _) in read_rules(folder).items():
        if rule in chosen:
            copy = target / path.relative_to(folder)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)
