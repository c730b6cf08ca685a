"""What `/metrics` says, in Prometheus's text format: one table of metrics, each read from the service's status.

Every metric is described in docs/metrics.md. Names and labels are a promise: dashboards and alerts are built on them.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from sigmac.runtime.match import Rule
from sigmac.runtime.service.observe.correlation_metrics import CORRELATIONS
from sigmac.runtime.service.observe.status import ServiceStatus, Shown
from sigmac.runtime.stream.counts import BATCH_BUCKETS
from sigmac.runtime.stream.dead_letters import KINDS

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4
WORKER_STATES = ("starting", "waiting", "running", "paused", "stalled", "failing", "stopped")
LEVELS = ("informational", "low", "medium", "high", "critical")
NO_LEVEL = "none"
OTHER = "other"  # what label values are added up under, once there are too many
_MAX_SERIES = 10_000  # of one metric; more would harm Prometheus before they harm us
_MAX_VALUE = 200  # characters of a label's value: titles and versions are an author's text

Sample = tuple[tuple[str, ...], float]  # values of the labels, and the number


@dataclass(frozen=True, slots=True)
class View:
    """What metrics are read from: the status, the rules of its packs by name, matches by pack and level."""

    status: ServiceStatus
    rules: Callable[[str], Sequence[Rule]]
    levels: Mapping[tuple[str, ...], float]
    without_chance: Callable[[str], Mapping[int, Sequence[str]] | None]


@dataclass(frozen=True, slots=True)
class Definition:
    """A metric: `kind` is counter or gauge, `read` gives its samples."""

    name: str
    kind: str
    meaning: str
    labels: tuple[str, ...]
    read: Callable[[View], Iterable[Sample]]


def _lag(view: View) -> Iterator[Sample]:
    # While a partition changes hands two workers may name it: the one who knows more counts.
    known: dict[tuple[str, int], int] = {}
    for worker in view.status.workers:
        for topic, partitions in worker.lag.items():
            for partition, records in partitions.items():
                if records >= 0:
                    place = topic, partition
                    known[place] = max(records, known.get(place, 0))
    for (topic, partition), records in known.items():
        yield (topic, str(partition)), records


def _rule_matches(view: View) -> Iterator[Sample]:
    for pack, counts in view.status.counts.matches.items():
        rules = view.rules(pack)
        for index, count in counts.items():
            if index < len(rules):  # else a new pack came between the status and its rules
                rule = rules[index]
                name = rule.id or rule.name or rule.title
                yield (pack, name, rule.title, rule.level or NO_LEVEL), count


def _without_chance(view: View) -> Iterator[Sample]:
    for pack in view.status.packs:
        rules = view.without_chance(pack.name)
        if rules is not None:
            fields = sum(map(bool, rules.values()))
            yield (pack.name, "fields"), fields
            yield (pack.name, "events"), len(rules) - fields


def _states(view: View) -> Iterator[Sample]:
    for worker in view.status.workers:
        for state in WORKER_STATES:
            yield (str(worker.index), state), float(worker.state == state)


def _dead_letters(view: View) -> Iterator[Sample]:
    # All kinds from the start on: `increase` does not see the step from nothing to 1.
    for kind, count in {**dict.fromkeys(KINDS, 0), **view.status.counts.dead_letters}.items():
        yield (kind,), count


def _engine(name: str) -> Callable[[View], Iterator[Sample]]:
    def read(view: View) -> Iterator[Sample]:
        for pack, counts in view.status.counts.engine.items():
            if name in counts:
                yield (pack,), counts[name]

    return read


COUNTER, GAUGE = "counter", "gauge"

DEFINITIONS = (
    # The service
    Definition(
        "sigmac_info",
        GAUGE,
        "Always 1; the labels say what runs.",
        ("name", "version", "delivery"),
        lambda v: [((v.status.name, v.status.version, v.status.delivery), 1)],
    ),
    Definition(
        "sigmac_start_time_seconds",
        GAUGE,
        "When the service started, in seconds since 1970.",
        (),
        lambda v: [((), v.status.started)],
    ),
    Definition(
        "sigmac_ready",
        GAUGE,
        "1 where `/ready` says yes.",
        (),
        lambda v: [((), v.status.ready)],
    ),
    Definition(
        "sigmac_paused",
        GAUGE,
        "1 while an operator has paused the service.",
        (),
        lambda v: [((), v.status.paused)],
    ),
    # Records
    Definition(
        "sigmac_records_total",
        COUNTER,
        "Records that were consumed and are done with.",
        ("topic",),
        lambda v: (((topic,), n) for topic, n in v.status.counts.records.items()),
    ),
    Definition(
        "sigmac_record_bytes_total",
        COUNTER,
        "Bytes of the values of these records.",
        ("topic",),
        lambda v: (((topic,), n) for topic, n in v.status.counts.bytes.items()),
    ),
    Definition(
        "sigmac_lag_records",
        GAUGE,
        "Records that wait in a partition.",
        ("topic", "partition"),
        _lag,
    ),
    Definition(
        "sigmac_records_lost_total",
        COUNTER,
        "Records that were gone before they were read.",
        ("topic",),
        lambda v: (((topic,), n) for topic, n in v.status.counts.lost.items()),
    ),
    Definition(
        "sigmac_rebalances_total",
        COUNTER,
        "Changes of the workers' partitions by the consumer group.",
        (),
        lambda v: [((), v.status.counts.rebalances)],
    ),
    # Events
    Definition(
        "sigmac_events_total",
        COUNTER,
        "Events that were evaluated; a record may hold several.",
        (),
        lambda v: [((), v.status.counts.events)],
    ),
    Definition(
        "sigmac_rejected_total",
        COUNTER,
        "Values that were no event.",
        (),
        lambda v: [((), v.status.counts.rejected)],
    ),
    Definition(
        "sigmac_matches_total",
        COUNTER,
        "Matches, by the level of the rule.",
        ("pack", "level"),
        lambda v: v.levels.items(),
    ),
    Definition(
        "sigmac_rule_matches_total",
        COUNTER,
        "Matches of a rule, from its first one on.",
        ("pack", "rule", "title", "level"),
        _rule_matches,
    ),
    Definition(
        "sigmac_dead_letters_total",
        COUNTER,
        "Dead letters, dropped ones included, by kind.",
        ("kind",),
        _dead_letters,
    ),
    # Delivery
    Definition(
        "sigmac_delivered_total",
        COUNTER,
        "Messages that a sink has taken for good.",
        ("sink",),
        lambda v: (((sink,), n) for sink, n in v.status.counts.delivered.items()),
    ),
    Definition(
        "sigmac_delivery_failures_total",
        COUNTER,
        "Batches that were not delivered and done again.",
        (),
        lambda v: [((), v.status.counts.delivery_failures)],
    ),
    Definition(
        "sigmac_stalled_seconds_total",
        COUNTER,
        "Seconds that workers spent waiting for a slow sink.",
        (),
        lambda v: [((), v.status.counts.stalled_seconds)],
    ),
    # Workers
    Definition(
        "sigmac_worker_state",
        GAUGE,
        "1 for the state that a worker is in, 0 for the others.",
        ("worker", "state"),
        _states,
    ),
    Definition(
        "sigmac_worker_connected",
        GAUGE,
        "1 where the broker answers the worker; files always do.",
        ("worker",),
        lambda v: (((str(w.index),), w.connected) for w in v.status.workers),
    ),
    Definition(
        "sigmac_worker_partitions",
        GAUGE,
        "Partitions that a worker reads.",
        ("worker",),
        lambda v: (
            ((str(w.index),), sum(len(p) for p in w.assigned.values())) for w in v.status.workers
        ),
    ),
    Definition(
        "sigmac_worker_restarts_total",
        COUNTER,
        "Starts of a worker after it had died.",
        ("worker",),
        lambda v: (((str(w.index),), w.restarts) for w in v.status.workers),
    ),
    # Packs
    Definition(
        "sigmac_pack_info",
        GAUGE,
        "Always 1; the labels say which pack runs.",
        ("pack", "name", "version", "digest"),
        lambda v: (((p.name, p.pack, p.version, p.digest), 1) for p in v.status.packs),
    ),
    Definition(
        "sigmac_pack_rules",
        GAUGE,
        "Rules of the pack that runs.",
        ("pack",),
        lambda v: (((p.name,), p.rules) for p in v.status.packs),
    ),
    Definition(
        "sigmac_rules_without_chance",
        GAUGE,
        "Rules that could match no event of the last hour.",
        ("pack", "reason"),
        _without_chance,
    ),
    Definition(
        "sigmac_pack_loaded_timestamp_seconds",
        GAUGE,
        "When the pack that runs was taken into service, in seconds since 1970.",
        ("pack",),
        lambda v: (((p.name,), p.loaded) for p in v.status.packs),
    ),
    Definition(
        "sigmac_pack_reloads_total",
        COUNTER,
        "New packs that were taken into service.",
        ("pack",),
        lambda v: (((p.name,), p.reloads) for p in v.status.packs),
    ),
    Definition(
        "sigmac_pack_reloads_refused_total",
        COUNTER,
        "New packs that were refused; the running one stayed.",
        ("pack",),
        lambda v: (((p.name,), p.refused) for p in v.status.packs),
    ),
    *(Definition(*each) for each in CORRELATIONS),
    # The batch engine
    Definition(
        "sigmac_engine_records_total",
        COUNTER,
        "Values that the batch engine was given.",
        ("pack",),
        _engine("records"),
    ),
    Definition(
        "sigmac_engine_fallbacks_total",
        COUNTER,
        "Values that the batch engine left to the scalar path.",
        ("pack",),
        _engine("fallbacks"),
    ),
    Definition(
        "sigmac_engine_undecided_total",
        COUNTER,
        "Values of which the batch engine left some rules to the scalar path.",
        ("pack",),
        _engine("undecided"),
    ),
    Definition(
        "sigmac_engine_kinds_total",
        COUNTER,
        "Kinds of events (sets of fields and logsources) that were met and not in the cache.",
        ("pack",),
        _engine("kinds"),
    ),
    Definition(
        "sigmac_engine_asked_total",
        COUNTER,
        "Questions about values, such as regular expressions, that Python answered for the batch engine.",
        ("pack",),
        _engine("asked"),
    ),
    Definition(
        "sigmac_engine_cache_lookups_total",
        COUNTER,
        "Values that were looked for in the engine's caches.",
        ("pack",),
        _engine("looked"),
    ),
    Definition(
        "sigmac_engine_cache_hits_total",
        COUNTER,
        "Values that were found in the engine's caches.",
        ("pack",),
        _engine("found"),
    ),
    Definition(
        "sigmac_engine_cache_flushes_total",
        COUNTER,
        "Times that a full cache of the engine was emptied.",
        ("pack",),
        _engine("flushes"),
    ),
    Definition(
        "sigmac_engine_cache_bytes",
        GAUGE,
        "Bytes that the engine's caches use, over all workers.",
        ("pack",),
        _engine("bytes"),
    ),
)
BATCH_DURATION = "sigmac_batch_duration_seconds"
BATCH_MEANING = "Seconds from a batch's evaluation to its commit."
# Name, type, labels and meaning of every metric
CATALOG = (
    *((each.name, each.kind, each.labels, each.meaning) for each in DEFINITIONS),
    (BATCH_DURATION, "histogram", (), BATCH_MEANING),
)


class Metrics(Collector):
    """The metrics of a service; safe to be read by several threads."""

    def __init__(self, service: Shown):
        self._service = service
        self._lock = threading.Lock()
        self._levels = _LevelTotals()
        # The label values that have a series of their own, by metric. They keep it: a counter that moved between its
        # own series and `other` would look as if the service had started anew.
        self._shown: dict[str, set[tuple[str, ...]]] = {each.name: set() for each in DEFINITIONS}

    def exposition(self) -> bytes:
        """All metrics, in the format of `CONTENT_TYPE`."""
        return generate_latest(self)

    def collect(self) -> Iterator[Metric]:
        """All metrics, from one look at the status."""
        with self._lock:
            service = self._service
            status = service.status()
            view = View(status, service.rules, self._levels.counts, service.without_chance)
            self._levels.add(status, _rule_matches(view))
            families = [self._family(each, view) for each in DEFINITIONS]
        yield from families
        yield _batch_duration(status)

    def _family(self, metric: Definition, view: View) -> Metric:
        samples = [(tuple(map(_tame, values)), number) for values, number in metric.read(view)]
        shown = self._shown[metric.name]
        shown.intersection_update([values for values, _ in samples])
        totals: dict[tuple[str, ...], float] = {}
        for values, number in samples:
            if values not in shown:
                if len(shown) < _MAX_SERIES:
                    shown.add(values)
                else:
                    values = (OTHER,) * len(values)
            totals[values] = totals.get(values, 0) + number
        family = CounterMetricFamily if metric.kind == COUNTER else GaugeMetricFamily
        made = family(metric.name, metric.meaning, labels=metric.labels)
        for values, number in totals.items():
            made.add_metric(values, number)
        return made


class _LevelTotals:
    """Matches by pack and level, which never become fewer: a rule that a new pack has not leaves its part here."""

    def __init__(self) -> None:
        self.counts: dict[tuple[str, ...], float] = {}
        self._seen: dict[tuple[str, ...], float] = {}  # by pack and rule

    def add(self, status: ServiceStatus, by_rule: Iterable[Sample]) -> None:
        for pack in status.packs:
            for level in (*LEVELS, NO_LEVEL):
                self.counts.setdefault((pack.name, level), 0)
        found: dict[tuple[str, ...], tuple[str, float]] = {}
        for (name, rule, _, level), count in by_rule:
            found[name, rule] = level, found.get((name, rule), ("", 0))[1] + count
        for key, (level, count) in found.items():
            seen = self._seen.get(key, 0)
            # A rule that was gone and came back counts from 0.
            more = count - seen if count >= seen else count
            self.counts[key[0], level] = self.counts.get((key[0], level), 0) + more
            self._seen[key] = count
        if len(self._seen) > 10 * _MAX_SERIES:
            self._seen = {key: count for key, (_, count) in found.items()}


def _tame(value: str) -> str:
    """A label's value of bounded length that can be encoded."""
    return value[:_MAX_VALUE].encode("utf-8", "replace").decode()


def _batch_duration(status: ServiceStatus) -> Metric:
    bounds = [*map(floatToGoString, BATCH_BUCKETS), "+Inf"]
    counts = accumulate(status.counts.batch_seconds)
    buckets = list(zip(bounds, counts, strict=True))
    return HistogramMetricFamily(
        BATCH_DURATION, BATCH_MEANING, buckets=buckets, sum_value=status.counts.batch_seconds_sum
    )
