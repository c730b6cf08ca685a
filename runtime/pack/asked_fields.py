"""What the rules of a pack ask of an event: whoever makes events by asking for each field asks for no others.

By which fields an event tells its own logsource (`auto`) is no part of it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

from sigmac.runtime.pack.pack import Pack
from sigmac.runtime.scalar.dispatch import fields_asked


def asked(pack: Pack) -> Collection[str]:
    """All fields that rules ask; `""` stands for keywords, for which all text of an event is looked at."""
    own = _of_logsources(pack, range(len(pack)))
    named = fields_asked(pack.vocabulary, pack.tables, own)
    keywords = "" in pack.vocabulary.strings.take(np.unique(pack.tables["rule_fields"]))
    return {*named, ""} if keywords else named


def asked_by(pack: Pack, rule: int) -> Collection[str]:
    """What one rule asks, by its index in `rules`; with what pipelines ask of all rules of its logsource."""
    return {*asked_by_itself(pack, rule), *_of_logsources(pack, [rule])}


def asked_by_itself(pack: Pack, rule: int) -> Collection[str]:
    """What the detection of a rule asks."""
    ends = pack.tables["rule_field_ends"]
    start = int(ends[rule - 1]) if rule else 0
    return set(pack.vocabulary.strings.take(pack.tables["rule_fields"][start : int(ends[rule])]))


def _of_logsources(pack: Pack, rules: Sequence[int]) -> Sequence[str]:
    """The fields by which pipelines know the logsources of some rules; none where nothing was added to these rules."""
    added = any(pack.conditions.spans[rule, 3] >= 0 for rule in rules)
    return pack.dispatch.logsource_fields if added else ()
