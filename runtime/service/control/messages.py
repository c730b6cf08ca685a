"""What the service knows, as messages of control.proto."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sigmac.runtime import match as evaluated
from sigmac.runtime.service.control import control_pb2 as wire
from sigmac.runtime.service.control.refusals import exhausted
from sigmac.runtime.service.observe.status import ServiceStatus
from sigmac.runtime.stream.counts import BATCH_BUCKETS, Counts

MAX_MATCHES = 100_000  # in one answer
MAX_REJECTED = 1000  # in one answer


class BatchAnswer:
    """The answer to a batch, as it grows."""

    def __init__(self) -> None:
        self.made = wire.ProcessBatchResponse()
        self._rules: dict[tuple[Any, ...], int] = {}

    def add(
        self,
        window: bytes,
        matches: Sequence[tuple[int, Mapping[str, Any]]],
        rejected: Sequence[evaluated.Rejected],
    ) -> None:
        """Add what came of a run of lines."""
        made, before = self.made, self.made.lines
        if len(made.matches) + len(matches) > MAX_MATCHES:
            sentence = f"the batch has more than {MAX_MATCHES:,} matches: send fewer events"
            raise exhausted("matches", sentence)
        made.matches.extend(
            wire.ProcessBatchResponse.Match(line=before + line, rule=self._index(match))
            for line, match in matches
        )
        made.rejected_count += len(rejected)
        made.rejected.extend(
            wire.ProcessBatchResponse.Rejected(line=before + each.record, reason=each.reason)
            for each in rejected[: MAX_REJECTED - len(made.rejected)]
        )
        made.lines = before + window.count(b"\n") + (not window.endswith(b"\n"))

    def _index(self, match: Mapping[str, Any]) -> int:
        rule, pack = match["rule"], match["pack"]
        key = (*(rule[name] for name in ("id", "title", "level")), *rule["tags"], *pack.values())
        known = self._rules.get(key)
        if known is None:
            known = self._rules[key] = len(self.made.rules)
            self.made.rules.append(matched_rule(match))
        return known


def matched_rule(match: Mapping[str, Any]) -> wire.MatchedRule:
    rule, pack = match["rule"], match["pack"]
    return wire.MatchedRule(
        id=rule["id"] or "",
        title=rule["title"],
        level=rule["level"] or "",
        tags=rule["tags"],
        pack=pack["name"],
        version=pack["version"],
    )


def rule_message(rule: evaluated.Rule, asked: Collection[str]) -> wire.Rule:
    """`asked` are the fields that the rule asks of an event; `""` stands for keywords."""
    source = rule.logsource
    return wire.Rule(
        id=rule.id or "",
        title=rule.title,
        level=rule.level or "",
        status=rule.status or "",
        tags=rule.tags,
        logsource=wire.LogSource(
            product=source.product or "",
            category=source.category or "",
            service=source.service or "",
        ),
        description=rule.description or "",
        author=rule.author or "",
        source=rule.source,
        references=rule.references,
        falsepositives=rule.falsepositives,
        fields=rule.fields,
        asks=sorted(set(asked) - {""}),
        keywords="" in asked,
    )


def status_message(status: ServiceStatus) -> wire.GetStatusResponse:
    made = wire.GetStatusResponse(
        name=status.name,
        version=status.version,
        ready=status.ready,
        reason=status.reason,
        paused=status.paused,
        delivery=status.delivery,
        counts=_counts(status.counts),
    )
    made.started.FromMilliseconds(int(status.started * 1000))
    for worker in status.workers:
        made.workers.add(
            index=worker.index,
            pid=worker.pid,
            state=worker.state,
            detail=worker.detail,
            assigned=[
                wire.WorkerStatus.Partition(
                    topic=topic,
                    partition=number,
                    lag=worker.lag.get(topic, {}).get(number, -1),
                )
                for topic, numbers in worker.assigned.items()
                for number in numbers
            ],
            restarts=worker.restarts,
            connected=worker.connected,
        )
    for pack in status.packs:
        added = made.packs.add(
            name=pack.name,
            pack=pack.pack,
            version=pack.version,
            digest=pack.digest,
            rules=pack.rules,
            path=pack.path,
            previous=pack.previous or "",
            reloads=pack.reloads,
            refused=pack.refused,
            last_refusal=pack.last_refusal or "",
        )
        added.loaded.FromMilliseconds(int(pack.loaded * 1000))
    return made


def _counts(counts: Counts) -> wire.Counts:
    return wire.Counts(
        topics=[
            wire.Counts.Topic(topic=topic, records=records, bytes=counts.bytes.get(topic, 0))
            for topic, records in counts.records.items()
        ],
        events=counts.events,
        rejected=counts.rejected,
        matches=[
            wire.Counts.RuleMatches(pack=pack, rule=rule, matches=count)
            for pack, rules in counts.matches.items()
            for rule, count in rules.items()
        ],
        dead_letters=counts.dead_letters,
        delivered=counts.delivered,
        delivery_failures=counts.delivery_failures,
        batches=counts.batches,
        batch_bounds=BATCH_BUCKETS,
        batch_buckets=counts.batch_seconds,
        batch_seconds=counts.batch_seconds_sum,
        stalled_seconds=counts.stalled_seconds,
        rebalances=counts.rebalances,
    )
