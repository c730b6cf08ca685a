"""What a batch's result says, in a form that two of them can be compared in."""

from __future__ import annotations

from sigmac.runtime import Pack
from sigmac.runtime.match import BatchResult

Said = tuple[list[tuple[int, int]], list[tuple[int, int, str]], int]


def said(result: BatchResult) -> Said:
    """(record, rule) of the matches, (record, position, reason) of the rejected, and how many records there were."""
    pairs = list(zip(result.record.tolist(), result.rule.tolist(), strict=True))
    rejected = [(each.record, each.position, each.reason) for each in result.rejected]
    return pairs, rejected, result.records


def agreed(pack: Pack, data: bytes) -> Said:
    """What both ways to evaluate a batch say of it."""
    batch, each = pack.match_batch(data), pack.match_each(data)
    assert said(batch) == said(each)
    assert batch.lines == each.lines
    return said(batch)
