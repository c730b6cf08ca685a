"""Hypothesis strategies: rule sets with correlations of every kind, and streams of events that come close to them."""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from hypothesis import strategies as st

from sigmac.compiler.meaning.correlation_reference import Limits
from sigmac.compiler.syntax.correlation import OPERATORS, TYPES

Plain = dict[str, Any]
Event = dict[str, Any]

# The fields of variants are other ones than those that the rules name.
PIPELINES = {"none": (), "mapped": ("mapped",), "variants": ("variant_one", "variant_two")}
GROUPED = ("u", "h", "user.name", "x")  # x may be an alias
NUMBERED = ("n", "m", "u")
DISTINCT = ("u", "h", "n", "user.name", "x")


@dataclass(frozen=True)
class Asked:
    """A correlation whose rules are numbers: those of detection rules, then those of correlations."""

    type: str
    rules: tuple[int, ...]
    timespan: str
    group_by: tuple[str, ...] = ()
    condition: Any = None  # words hold numbers in place of references
    aliases: tuple[tuple[str, tuple[tuple[int, str], ...]], ...] = ()
    generate: bool = False


@dataclass(frozen=True)
class Style:
    """How the same rule set is written."""

    title: str = ""
    by_id: tuple[bool, ...] = (False,)  # in turn, for each reference
    as_text: bool = False  # `rules` of a single one
    upper: bool = False  # ids
    order: tuple[int, ...] = ()  # of the documents


@dataclass(frozen=True)
class Case:
    """Detections and correlations, and what they are tried on."""

    detections: tuple[Plain, ...]
    correlations: tuple[Asked, ...]
    events: tuple[Event, ...] = ()
    order: str = "time"
    pipeline: str = "none"
    limits: Limits = field(default_factory=Limits)

    @property
    def pipelines(self) -> tuple[str, ...]:
        """The files of the pipeline."""
        folder = Path(__file__).with_name("pipelines")
        return tuple(str(folder / f"{name}.yml") for name in PIPELINES[self.pipeline])

    def written(self, style: Style | None = None) -> bytes:
        """The documents of the rule set."""
        style = style or Style()
        made = [
            {"detection": each["detection"], "logsource": each["logsource"]}
            for each in self.detections
        ] + [self._correlation(each, style) for each in self.correlations]
        documents = [
            {"title": f"{style.title}{_name(i)}", "name": _name(i), "id": _id(i), **each}
            for i, each in enumerate(made)
        ]
        order = style.order or range(len(documents))
        return "\n---\n".join(json.dumps(documents[i]) for i in order).encode()

    def _correlation(self, asked: Asked, style: Style) -> Plain:
        def called(number: int, at: int = 0) -> str:
            by_id = style.by_id[(number + at) % len(style.by_id)]
            text = _id(number) if by_id else _name(number)
            return text.upper() if by_id and style.upper else text

        # Words have the text that is listed; else one rule may be called in two ways.
        turns = not isinstance(asked.condition, (int, tuple))
        rules: list[str] | str = [called(number, turns * i) for i, number in enumerate(asked.rules)]
        if style.as_text and len(rules) == 1:
            rules = rules[0]
        made: Plain = {"type": asked.type, "rules": rules, "timespan": asked.timespan}
        made["group-by"] = list(asked.group_by)
        if asked.aliases:
            made["aliases"] = {
                name: {called(number): of for number, of in fields}
                for name, fields in asked.aliases
            }
        if asked.condition is not None:
            made["condition"] = (
                asked.condition
                if isinstance(asked.condition, dict)
                else _words(asked.condition, called)
            )
        if asked.generate:
            made["generate"] = True
        return {"correlation": made}


def _name(number: int) -> str:
    return f"r{number}"


def _id(number: int) -> str:
    return f"0000000a-0000-4000-8000-{number:012}"


def _words(node: Any, called: Callable[[int], str]) -> str:
    if isinstance(node, int):
        return called(node)
    word, *operands = node
    if word == "not":
        return f"not ({_words(operands[0], called)})"
    return "(" + f") {word} (".join(_words(each, called) for each in operands) + ")"


# Rule sets

detections = st.sampled_from(
    [
        {"s": {"k": "a"}, "condition": "s"},
        {"s": {"k": "b"}, "condition": "s"},
        {"s": {"k": "c"}, "condition": "s"},
        {"s": {"k": ["a", "b"]}, "condition": "s"},
        {"s": {"k": "a", "u": "bob"}, "condition": "s"},
        {"s": {"k": "b"}, "f": {"h": "x"}, "condition": "s and not f"},
    ]
)
_rules = st.fixed_dictionaries(
    {
        "detection": detections,
        "logsource": st.sampled_from([{"category": "test"}, {"product": "linux"}]),
    }
)
_counts = st.sampled_from([1, 2, 2, 3, 3, 4, 0, 1.5, 2.0, 0.5])
_sums = st.sampled_from([0, 1, 3, 5, 0.3, 0.30000000000000004, 1.5, 2**53, -1, 1e308, 2**63 - 1])
_percentiles = st.sampled_from([0, 50, 100, 25, 33.3, 99.9, 66, 0.1])


@st.composite
def _conditions(draw: st.DrawFn, kind: str, rules: Sequence[int]) -> Any:
    if kind == "temporal" and draw(st.integers(0, 2)) == 0:
        return draw(_expressions(rules))
    if kind.startswith("temporal") and draw(st.booleans()):
        return None
    numbers = _sums if kind in TYPES[4:] else _counts
    most = draw(st.sampled_from([1, 1, 1, 2]))
    made = draw(st.dictionaries(st.sampled_from(OPERATORS), numbers, min_size=most, max_size=most))
    if kind == "value_count":
        several = st.lists(st.sampled_from(DISTINCT), min_size=1, max_size=2, unique=True)
        made["field"] = draw(st.sampled_from(DISTINCT) | several)
    elif kind.startswith("value_"):
        made["field"] = draw(st.sampled_from(NUMBERED))
    if kind == "value_percentile":
        made["percentile"] = draw(_percentiles)
    return made


@st.composite
def _expressions(draw: st.DrawFn, rules: Sequence[int]) -> Any:
    """Words in which each rule stands, some twice."""
    more = draw(st.lists(st.sampled_from(rules), max_size=2))
    node: Any = None
    for rule in draw(st.permutations([*rules, *more])):
        leaf: Any = ("not", rule) if draw(st.integers(0, 3)) == 0 else rule
        node = leaf if node is None else (draw(st.sampled_from(["and", "or"])), node, leaf)
        if draw(st.integers(0, 7)) == 0:
            node = ("not", node)
    return node


@st.composite
def _correlations(draw: st.DrawFn, detected: int, earlier: int) -> Asked:
    kind = draw(st.sampled_from(TYPES))
    may = range(detected if kind.startswith("value_") else detected + earlier)
    # The last ones are correlations: chains are drawn as often as not.
    one = st.sampled_from(may) | st.sampled_from(may[-2:])
    repeated = kind == "temporal_ordered"
    rules = draw(
        st.lists(one, min_size=1 + (kind != "event_count"), max_size=4)
        if repeated
        else st.lists(one, min_size=1, max_size=3, unique=True)
    )
    group_by = draw(st.lists(st.sampled_from(GROUPED), max_size=2, unique=True))
    if max(rules) >= detected and draw(st.booleans()):
        group_by = ["x"]  # which the child may have as an alias
    condition = draw(_conditions(kind, rules))
    looked = condition.get("field", []) if isinstance(condition, dict) else []
    aliases = {}
    for name in ("x", "u"):
        used = name in group_by or name in looked
        if used and draw(st.booleans()):
            of = st.sampled_from(("u", "h", "n") if kind in TYPES[4:] else GROUPED)
            covered = [
                each for each in dict.fromkeys(rules) if each < detected or draw(st.booleans())
            ]
            aliases[name] = tuple((each, draw(of)) for each in covered)
    return Asked(
        kind,
        tuple(rules),
        draw(st.sampled_from(["1s", "2s", "2s", "3s", "1m"])),
        tuple(group_by),
        condition,
        tuple(aliases.items()),
        draw(st.booleans()),
    )


# Events

FAR = 1_000_000_000  # microseconds: further than most timespans


def _iso(time: int) -> str:
    when = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
    return (when + datetime.timedelta(microseconds=time)).isoformat(timespec="microseconds")


SPELLINGS: list[Callable[[int], Any]] = [
    lambda time: time // 1_000_000 if time % 1_000_000 == 0 else time / 1_000_000,
    lambda time: f"{'-' * (time < 0)}{abs(time) // 1_000_000}.{abs(time) % 1_000_000:06}",
    _iso,
    lambda time: _iso(time + 3_600_000_000).replace("+00:00", "9+0100"),
    lambda time: [None, "none", _iso(time).replace("T", " ").replace("+00:00", "")],
]
NO_TIMES = [None, "2026-02-30", [], {}, True, "12:00"]
MATCHED = [*("a", "a", "a", "a", "b", "b", "b", "c", "c", "z"), ["a", "b"], ["a", "b", "c"], None]
TEXTS = [
    *("bob", "BOB", "5", "5.0", "true", "", 5, 5.0, True, None, 2**64, 1e300, -0.0, 0.1, {}, []),
    *(["bob", "bob", None], ["bob", "eve"], [["eve"]], {"name": "bob"}, [{"name": "bob"}, "eve"]),
]
NUMBERS = [
    *(2**53 + 1, 2**63 - 1, -(2**63), 2**64 - 1, 2**64, 10**25, 1e308, -1e308, 5e-324, -0.0, 0.3),
    *("+3", "-0", "-0.0", "0.1", "1e3", " 1", "9" * 400, "18446744073709551616", "007.50", ""),
    *(True, None, [], [1, 2, "x"], [[0.1], 0.2], {}, [None, 7, 7]),
]


def event_of(number: int, place: int) -> Event:
    """The event of a number at a place of a stream, where time goes on; most have most fields, and few values."""
    random = Random(number)
    usual = random.random() < 0.75

    def some(common: Sequence[Any], rare: Sequence[Any]) -> Any:
        return random.choice(common if usual or random.random() < 0.5 else rare)

    half = place // 3 - random.choice([0, 0, 0, 0, 1, 2, 3, 7])
    time = half * 500_000 + random.choice([0, 0, 0, 1, -1])
    if random.random() < 0.05:
        time += random.choice([FAR, -FAR])
    event: Event = {
        "time": random.choice(SPELLINGS)(time),
        "k": random.choice(MATCHED),
        "k1": random.choice(MATCHED),
        "k2": random.choice(MATCHED),
        "u": some(["bob", "eve"], TEXTS),
        "h": some(["bob", "x"], TEXTS),
        "h2": some(["bob"], TEXTS),
        "n": some([1, 2, 3, 0.1, 0.2, "3"], NUMBERS),
        "m": some([1, 2, 3], NUMBERS),
        "user": {"name": some(["bob", "eve"], TEXTS)},
        "x": some(["bob"], TEXTS),
    }
    if not usual:
        if random.random() < 0.1:
            event["time"] = random.choice(NO_TIMES)
        if random.random() < 0.2:
            event["user"] = random.choice([None, "ann", [event["user"], {"name": "eve"}]])
        if random.random() < 0.1:
            event["user.name"] = random.choice(TEXTS)
        for name in random.sample(sorted(event), random.randrange(4)):
            del event[name]
    return event


_numbers = st.integers(0, 2**32)
events = st.builds(event_of, _numbers, st.integers(0, 40))
# Long ones, in which something happens, shrink to short ones.
_long = st.lists(_numbers, min_size=20, max_size=60)
streams = st.one_of(st.lists(_numbers, max_size=12), _long, _long, _long).map(
    lambda numbers: tuple(event_of(number, place) for place, number in enumerate(numbers))
)
_limits = st.just(Limits()) | st.builds(Limits, st.integers(1, 3), st.integers(1, 4))


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Detection rules, correlations over them and each other, and events in some order."""
    rules = draw(st.lists(_rules, min_size=2, max_size=4))
    count = draw(st.integers(1, 4))
    correlations = tuple(draw(_correlations(len(rules), i)) for i in range(count))
    return Case(
        tuple(rules),
        correlations,
        tuple(draw(streams)),
        draw(st.sampled_from(["time", "arrival"])),
        draw(st.sampled_from(["none", "none", *PIPELINES])),
        draw(_limits),
    )
