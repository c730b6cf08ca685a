"""A rule from an event: the rarest of what it holds, by how often that is in other events."""

from __future__ import annotations

import datetime
import re
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import yaml

from sigmac.compiler.drafts.possible_items import Candidate, candidates

MAX_CORPUS = 200_000  # events that are looked at
_MOST_ITEMS = 3
_PREFIXES = {
    ("windows", "process_creation"): "proc_creation_win",
    ("linux", "process_creation"): "proc_creation_lnx",
    ("macos", "process_creation"): "proc_creation_macos",
    ("windows", "network_connection"): "net_connection_win",
    ("windows", "file_event"): "file_event_win",
    ("windows", "dns_query"): "dns_query_win",
    ("windows", "ps_script"): "posh_ps",
    ("windows", "ps_module"): "posh_pm",
    ("linux", "auditd"): "lnx_auditd",
}


@dataclass(frozen=True, slots=True)
class Draft:
    """What a rule asks, how many of the other events it matches, and one that it only just does not."""

    items: Sequence[Candidate]
    logsource: Mapping[str, str]
    corpus: int = 0
    matched: int = 0
    near_miss: Mapping[str, Any] | None = None
    rule_id: str = field(default_factory=lambda: str(uuid.uuid4()))


def draft(
    event: Mapping[str, Any], logsource: Mapping[str, str], corpus: Iterable[Mapping[str, Any]] = ()
) -> Draft:
    """Choose up to three items, each time the one that leaves the fewest events of the corpus.

    Without a corpus, those that usually tell most. Raises `ValueError` where the event holds nothing that a rule could
    ask for.
    """
    known = candidates(event)
    if not known:
        raise ValueError("the event holds no text that would be the same another time")
    events: list[Mapping[str, Any]] = []
    for each in corpus:
        if each != event:
            events.append(each)
        if len(events) == MAX_CORPUS:
            break
    # A byte for each pair, not a list of all of them
    hits = np.stack([np.fromiter(map(each.holds, events), bool, len(events)) for each in known])
    chosen: list[int] = []
    left = np.ones(len(events), dtype=bool)
    while len(chosen) < _MOST_ITEMS and (left.any() or len(chosen) < min(2, len(known))):
        free = [
            i
            for i in range(len(known))
            if i not in chosen and known[i].key not in {known[c].key for c in chosen}
        ]
        if not free:
            break
        best = min(free, key=lambda i: (int((hits[i] & left).sum()), i))
        if chosen and left.any() and (hits[best] & left).sum() == left.sum():
            break  # nothing more tells these events apart
        chosen.append(best)
        left &= hits[best]
    items = [known[i] for i in chosen]
    return Draft(
        items, logsource, len(events), int(left.sum()), _near_miss(events, hits, chosen, left)
    )


def _near_miss(
    events: Sequence[Mapping[str, Any]], hits: Any, chosen: Sequence[int], left: Any
) -> Mapping[str, Any] | None:
    """The event that has the most of the items, but not all."""
    if not events:
        return None
    counts = np.where(left, -1, hits[list(chosen)].sum(axis=0))
    best = int(counts.argmax())
    return events[best] if counts[best] >= 0 else None


def file_name(drafted: Draft, title: str) -> str:
    """Where SigmaHQ keeps such a rule, below the folder of rules."""
    product, category, service = (
        drafted.logsource.get(key, "") for key in ("product", "category", "service")
    )
    kind = category or service
    slug = re.sub(r"[^a-z0-9]+", "_", title.lower()).strip("_")[:50] or "rule"
    prefix = _PREFIXES.get((product, kind)) or "_".join(
        filter(None, (product if not category else "", kind))
    )
    folder = "/".join(filter(None, (product, kind))) or "other"
    return f"{folder}/{prefix or product or 'rule'}_{slug}.yml"


def title_of(drafted: Draft) -> str:
    """A title to begin with, from the first item."""
    first = drafted.items[0]
    words = re.sub(r"[^A-Za-z0-9.]+", " ", first.value).strip()[:60] or first.field
    return f"{words[0].upper()}{words[1:]} In {first.field}"


def rule_text(drafted: Draft, title: str, author: str | None, today: datetime.date) -> str:
    """The rule as YAML, with what its author is to write."""
    selection = {each.key: each.written for each in drafted.items}
    said: dict[str, Any] = {
        "title": title,
        "id": drafted.rule_id,
        "status": "experimental",
        "description": f"Detects {title}",
        **({"author": author} if author else {}),
        "date": today.isoformat(),
        "logsource": dict(drafted.logsource),
        "detection": {"selection": selection, "condition": "selection"},
        "falsepositives": ["Unknown"],
        "level": "medium",
    }
    text: str = yaml.safe_dump(said, sort_keys=False, allow_unicode=True, width=120, indent=4)
    return text
