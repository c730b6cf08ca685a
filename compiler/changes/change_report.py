"""What differs between two sides, as JSON types."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sigmac.compiler.changes.documented import RULE, Documented, Key
from sigmac.compiler.changes.match_changes import MatchChanges
from sigmac.compiler.changes.sides import Changed, Sample
from sigmac.compiler.changes.words import code_change, words


def report(
    old: Mapping[Key, Documented], new: Mapping[Key, Documented], matches: MatchChanges | None
) -> dict[str, Any]:
    """The report; `docs/diff.md` describes it."""
    changed = []
    for key in old.keys() & new.keys():
        was, now = old[key], new[key]
        said, code = words(was, now), [*code_change(was.code, now.code)]
        if said or code:
            changed.append({**now.named(), "words": said, "code": code})
    found: dict[str, Any] = {
        "version": 1,
        "rules": {
            "old": sum(each.kind == RULE for each in old.values()),
            "new": sum(each.kind == RULE for each in new.values()),
        },
        "added": [new[key].named() for key in new if key not in old],
        "removed": [old[key].named() for key in old if key not in new],
        "changed": sorted(changed, key=lambda each: (each["kind"], each["title"], str(each["id"]))),
    }
    if matches is not None:
        found["matches"] = {
            "events": matches.events,
            "rejected": matches.rejected,
            "both": matches.both,
            **_one_sided(matches.rules),
            "rules": _listed(matches.rules, old, new),
        }
        if matches.alerts is not None:
            found["alerts"] = {
                "both": matches.alerts.both,
                "no_time": matches.alerts.no_time,
                **_one_sided(matches.alerts.correlations),
                "correlations": _listed(matches.alerts.correlations, old, new),
            }
    return found


def _one_sided(changes: Mapping[Key, Changed]) -> dict[str, int]:
    return {
        "gained": sum(each.gained.count for each in changes.values()),
        "lost": sum(each.lost.count for each in changes.values()),
    }


def _listed(
    changes: Mapping[Key, Changed], old: Mapping[Key, Documented], new: Mapping[Key, Documented]
) -> list[dict[str, Any]]:
    """What has a difference, the most differences first."""
    return [
        {
            **(new.get(key) or old[key]).named(),
            "gained": each.gained.count,
            "lost": each.lost.count,
            "sample_gained": _sample(each.gained.sample),
            "sample_lost": _sample(each.lost.sample),
        }
        for key, each in sorted(
            changes.items(), key=lambda pair: (-pair[1].gained.count - pair[1].lost.count, pair[0])
        )
    ]


def _sample(sample: Sample | None) -> dict[str, Any] | None:
    if sample is None:
        return None
    return {"source": sample.source, "event": sample.event, "why": list(sample.why)}
