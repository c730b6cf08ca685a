"""What `sigmac shadow-live` says over HTTP. Every metric is described in docs/reference.md."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping, Sequence

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector

from sigmac import __version__
from sigmac.migration.live.live_comparison import Report
from sigmac.migration.live.pairing import RuleCounts
from sigmac.runtime.match import Rule
from sigmac.runtime.service.observe.status import ServiceStatus
from sigmac.runtime.stream.counts import Counts

_MOST_RULES = 3000  # that have series of their own, three each
_OTHER = "other"
_LONGEST = 200  # characters of a label's value


class ShadowMetrics(Collector):
    """The last report, for the threads of an HTTP server."""

    def __init__(self, report: Report):
        self._lock = threading.Lock()
        self._report = report
        self._shown: set[str] = set()  # rules that have series of their own keep them
        self._started = time.time()

    def take(self, report: Report) -> None:
        """Show this report from now on."""
        with self._lock:
            self._report = report

    def exposition(self) -> bytes:
        """All metrics in Prometheus's text format."""
        return generate_latest(self)

    def collect(self) -> Iterator[Metric]:
        """All metrics, of one report."""
        with self._lock:
            report = self._report
            rules = list(self._rules(report.counted.rules))
        compared = CounterMetricFamily(
            "sigmac_shadow_compared",
            "Matches that are decided, by rule and result.",
            labels=("rule", "title", "result"),
        )
        for each in rules:
            names = each.rule[:_LONGEST], each.title[:_LONGEST]
            compared.add_metric((*names, "agreed"), each.agreed)
            compared.add_metric((*names, "only_go"), each.only_go)
            compared.add_metric((*names, "only_sigmac"), each.only_sigmac)
        yield compared
        lines = CounterMetricFamily(
            "sigmac_shadow_lines",
            "What was read of a side: matches, those of them that are repeated or late, lines that were passed over.",
            labels=("side", "what"),
        )
        for side, tallies in report.counted.lines.items():
            for what, number in tallies.items():
                lines.add_metric((side.value, what), number)
        yield lines
        yield GaugeMetricFamily(
            "sigmac_shadow_waiting", "Matches that are not decided yet.", report.counted.waiting
        )
        behind = GaugeMetricFamily(
            "sigmac_shadow_behind_records",
            "Records that the other side is past and this one is not.",
            labels=("side",),
        )
        standing = GaugeMetricFamily(
            "sigmac_shadow_standing_seconds",
            "Seconds since a side that is behind got on; 0 where it is not behind.",
            labels=("side",),
        )
        for side, progress in report.progress.items():
            behind.add_metric((side.value,), progress.behind)
            standing.add_metric((side.value,), progress.standing)
        yield behind
        yield standing

    def _rules(self, rules: Sequence[RuleCounts]) -> Iterator[RuleCounts]:
        """Those that have series of their own, and all others as one."""
        others = [0, 0, 0]
        for each in rules:
            if each.rule in self._shown or len(self._shown) < _MOST_RULES:
                self._shown.add(each.rule)
                yield each
            else:
                for number, count in enumerate((each.agreed, each.only_go, each.only_sigmac)):
                    others[number] += count
        if any(others):
            yield RuleCounts(_OTHER, _OTHER, *others)

    def status(self) -> ServiceStatus:
        """Ready while no broker is away."""
        with self._lock:
            troubles = [each.trouble for each in self._report.progress.values() if each.trouble]
        return ServiceStatus(
            name="shadow-live",
            version=__version__,
            started=self._started,
            ready=not troubles,
            reason="; ".join(troubles),
            paused=False,
            delivery="",
            workers=(),
            packs=(),
            counts=Counts(),
        )

    def rules(self, pack: str) -> Sequence[Rule]:
        """There are no packs."""
        raise KeyError(pack)

    def without_chance(self, pack: str) -> Mapping[int, Sequence[str]] | None:
        """There are no packs."""
        raise KeyError(pack)
