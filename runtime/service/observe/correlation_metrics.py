"""What `/metrics` says of correlations: name, type, meaning, labels of each metric, and its samples from a status."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

Samples = Iterator[tuple[tuple[str, ...], float]]

_COUNTS = {
    "alerts": "Times that a correlation became true in a group, from the first one on.",
    "no_group": "Events that were no hit, as their fields name no group, or several.",
    "no_value": "Events that were no hit, as they have no value to look at.",
    "late": "Hits that came too late for the window of their group.",
    "restarts": "Groups that began anew after three such hits.",
    "evicted_groups": "Groups that were forgotten, as there were too many.",
    "evicted_hits": "Hits that were forgotten, as their group had too many.",
}


def _by_correlation(name: str) -> Callable[[Any], Samples]:
    def read(view: Any) -> Samples:
        for told, count in view.status.counts.correlations.get(name, {}).items():
            pack, _, correlation = told.partition("/")
            yield (pack, correlation), count

    return read


def _by_pack(name: str) -> Callable[[Any], Samples]:
    def read(view: Any) -> Samples:
        for pack, count in view.status.counts.correlations.get(name, {}).items():
            yield (pack,), count

    return read


def _dropped(view: Any) -> Samples:
    for reason in ("malformed", "unknown"):
        yield (reason,), view.status.counts.correlations.get(reason, {}).get("/", 0)


def _one(name: str) -> Callable[[Any], Samples]:
    def read(view: Any) -> Samples:
        yield (), getattr(view.status.counts, name)

    return read


CORRELATIONS: tuple[tuple[str, str, str, tuple[str, ...], Callable[[Any], Samples]], ...] = (
    *(
        (
            f"sigmac_correlation_{name}_total",
            "counter",
            meaning,
            ("pack", "correlation"),
            _by_correlation(name),
        )
        for name, meaning in _COUNTS.items()
    ),
    (
        "sigmac_correlation_no_time_total",
        "counter",
        "Events without a timestamp that a correlation would have counted.",
        ("pack",),
        _by_pack("no_time"),
    ),
    (
        "sigmac_correlation_hits_dropped_total",
        "counter",
        "Hits that the second stage could not use, by reason.",
        ("reason",),
        _dropped,
    ),
    (
        "sigmac_correlation_state_bytes",
        "gauge",
        "Bytes of the second stage's state on disk.",
        (),
        _one("state_bytes"),
    ),
    (
        "sigmac_correlation_restored_total",
        "counter",
        "Entries of its changelog from which the second stage restored state.",
        (),
        _one("restored"),
    ),
    (
        "sigmac_correlation_restore_seconds_total",
        "counter",
        "Seconds that processes of the second stage spent restoring state.",
        (),
        _one("restore_seconds"),
    ),
    (
        "sigmac_suppressed_total",
        "counter",
        "Matches and alerts that were held back, as alike ones went out before.",
        ("pack",),
        _by_pack("held"),
    ),
    (
        "sigmac_suppressed_forgotten_total",
        "counter",
        "Times that it was forgotten what went out, as there was too much of it.",
        ("pack",),
        _by_pack("held_forgotten"),
    ),
)
