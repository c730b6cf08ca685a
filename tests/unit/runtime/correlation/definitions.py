"""Definitions of correlations over the rules `a`, `b` and `c`, and the steps of streams of hits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sigmac.runtime.correlation.correlator import Correlator, Limits
from sigmac.runtime.correlation.definition import Correlation
from sigmac.runtime.correlation.observation import Observation

RULES = ("a", "b", "c")
SECOND = 1_000_000


def made(**given: Any) -> Correlation:
    """A correlation of ten seconds, counting `a`."""
    return Correlation(
        **{
            "title": "made",
            "type": "event_count",
            "rules": ["a"],
            "timespan": 10,
            "condition": {"gte": 2},
            "digest": str(sorted(given.items(), key=str)),
            **given,
        }
    )


def correlator(*definitions: Correlation, **limits: int) -> Correlator:
    """They are called c0, c1, …"""
    named = {f"c{i}": each for i, each in enumerate(definitions)}
    return Correlator(named, RULES, limits=Limits(**limits))


def seen(second: float, rules: str = "a", source: Any = None, **values: Any) -> Observation:
    """An event that some rules match; of `values` each is a scalar or a list."""
    listed = {name: each if isinstance(each, list) else [each] for name, each in values.items()}
    return Observation(
        round(second * SECOND),
        second if source is None else source,
        dict.fromkeys(rules, ()),
        listed,
    )


def alerts(some: Correlator, *observations: Observation) -> list[tuple[Any, Any, Sequence[Any]]]:
    """Source, value and sources of the window of each alert."""
    return [
        (alert.source, alert.value, list(alert.events))
        for each in observations
        for alert in some.take(each)
    ]
