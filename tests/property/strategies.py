"""Hypothesis strategies: Sigma rules that use every construct, and events that come close to them.

Everything is made of few words and fields, so that what a rule asks for and what an event holds meet often.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

import re2
import yaml
from hypothesis import strategies as st

from sigmac.compiler.ir.values import (
    ANY,
    DASH,
    DASHES,
    ONE,
    Alternatives,
    Boolean,
    Compare,
    Exists,
    FieldRef,
    Network,
    Null,
    Number,
    Regex,
    Text,
    TimePart,
    Value,
    Wildcard,
)
from sigmac.compiler.syntax.modifiers.regex_values import re2_options
from sigmac.compiler.syntax.rule import Rule, all_items

Event = dict[str, Any]


def _split(line: str) -> tuple[str, ...]:
    return tuple(line.split())


# Regular expressions in pieces that say something of the letters a, b and k; not all that comes of it is one.
_pieces = st.sampled_from(
    [
        *_split(r"a b k A \. . .* .+ a* b? (a|b) (?:ab|) [ab] [k] [^a] ^ $ \A \z \b \n (a|b.*)"),
        *_split("(?:^a|b$) a{2} (?i:k) (?s:.*) (?i) (?m)"),
    ]
)
patterns = st.builds(
    "".join, st.tuples(st.sampled_from(["", "", "(?i)", "(?s)", "(?m)", "(?ims)"]), *[_pieces] * 4)
) | st.lists(_pieces, max_size=6).map("".join)


def compiled(pattern: str) -> Any:
    """The RE2 object of a pattern, None where it is none."""
    try:
        return re2.compile(pattern, re2_options())
    except re2.error:
        return None


# Words of which values are made: letters with odd folds (Kelvin sign, long s, final sigma, sharp s, dotted I), dashes,
# and what is special to Sigma, JSON, Python or templates.
WORDS = (
    *_split(
        "a b ab A k s \u212a \u017f ς Σ ß ẞ ss İ é e\u0301 😀 - / – -a /ab ' \" { } {{ # 1 0 ."
    ),
    *_split(r"% %p% \ * ? [-] true 10 1.5 null cmd.exe \cmd.exe"),
    *(" ", "\n", "\0", "\u2028"),
)
FIELDS = ("A", "B", "Image", "User", "C.D", "C.D.E", "Ä b", "a-b")

# Modifiers in chains that Sigma allows, by what they take.
PLAIN_CHAINS = (
    *("", "", ""),
    *_split("contains startswith endswith cased contains|cased cased|startswith windash"),
    *_split("windash|contains contains|windash endswith|windash windash|contains|cased"),
    *_split("expand contains|expand expand|startswith windash|expand|endswith"),
)
ENCODING_CHAINS = (
    *_split("base64 base64|contains base64|startswith|cased base64offset|contains base64offset"),
    *_split("wide utf16le|contains utf16be|endswith wide|base64offset|contains utf16|base64"),
    *_split("utf16be|base64 windash|base64offset|contains windash|wide|base64|contains"),
    *_split("expand|base64 expand|wide|base64offset|contains"),
)
REGEX_CHAINS = _split("re re|i re|m re|s re|i|m|s re|ignorecase|dotall re|expand")
COMPARISONS = ("lt", "lte", "gt", "gte")
TIME_CHAINS = (
    *_split("minute hour day week month year"),
    *_split("minute|lt hour|gte day|gt week|lte month|lt year|gte"),
)
FIELDREF_CHAINS = (
    *_split("fieldref fieldref|contains fieldref|startswith fieldref|endswith"),
    *_split("cased|fieldref fieldref|contains|cased"),
)
PLACEHOLDERS = {"p": ["a", "*b", "k?"], "q": ["10", r"\cmd"]}

NUMBERS = (
    *(0, 1, -1, 2, 10, 1.5, 10.0, 0.1, 1e300, 1e-7),
    *(2**53, 2**53 + 1, 2**63 - 1, 2**64 - 1, -(2**63)),
)
DECIMALS = (*_split("1 -1 +1 01 1.50 1. .5 1e3 0x1 9007199254740993 1_0 \u0661"), " 1")
NETWORKS = (
    *_split("10.0.0.0/8 10.1.1.1 0.0.0.0/0 10.1.0.0/16 10.1.1.0/31 255.255.255.255/32 ::/0 ::1"),
    *_split("fe80::/10 2001:db8::/33 ::ffff:0:0/96 ::ffff:10.0.0.0/104"),
)
ADDRESSES = (
    *_split("10.1.1.1 10.1.1.2 10.01.1.1 10.1.1 10.1.1.1:80 ::1 ::ffff:10.1.1.1 fe80::1%eth0"),
    *_split("FE80::1 2001:DB8::8000:0:0:1 255.255.255.255 0.0.0.0 1::1% 10.1.1.1%1"),
)
TIMES = (
    *_split("2024-01-02T03:04:05Z 2024-02-30 2024-02-29 2020-12-31T10:10:10.5+05:30 2024-1-2"),
    *_split("2024-01-02T03:04:05+99:00 0001-01-01 10:10"),
    *("2024-12-30 23:59", 0, -1, 1704164645, 1704164645123, 1704164645123456),
    *(1704164645123456789, 1.7e9, 1e30, -1e18),
)

words = st.lists(st.sampled_from(WORDS), max_size=4).map("".join)
# Sigma strings as they are written in a rule.
texts = (
    words
    | words
    | st.sampled_from(["", "*", "**", "?*", r"a\*b", r"\\*", r"\\\*", r"*\cmd.exe", r"\%p%"])
)
plain_scalars = texts | texts | st.sampled_from([*NUMBERS, True, False, None, "", *DECIMALS])


def _several(values: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    return st.lists(values, min_size=1, max_size=4)


def _item(chains: Sequence[str], values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Modifiers and values of an item; `all` and `neq` may be among the modifiers."""
    flags = st.sampled_from(["", "", "", "", "|all", "|neq", "|neq|all"])
    one_or_more = _several(values) | _several(values) | values
    return st.tuples(st.builds(str.__add__, st.sampled_from(chains), flags), one_or_more)


def _keyed(field: str, item: tuple[str, Any]) -> tuple[str, Any]:
    chain, values = item
    chain = chain.strip("|")
    return f"{field}|{chain}" if chain else field, values


# Encodings take no wildcard, and some no text beyond ASCII.
_encoding_items = _item(ENCODING_CHAINS, st.sampled_from(["a", "ab", "foo", "-a b", "10", "%p%"]))
_regex_items = _item(REGEX_CHAINS, patterns.filter(compiled))
_comparisons = _item(COMPARISONS, st.sampled_from(NUMBERS))
_networks = _item(["cidr"], st.sampled_from(NETWORKS))
_field_items = st.builds(
    _keyed,
    st.sampled_from(FIELDS),
    st.one_of(
        *[_item(PLAIN_CHAINS, texts)] * 3,
        *[_item([""], plain_scalars)] * 2,
        _encoding_items,
        _regex_items,
        _comparisons,
        _networks,
        _item(TIME_CHAINS, st.sampled_from([0, 1, 3, 4, 10, 12, 30, 53, 59, 2024, 3.5, -1])),
        _item(FIELDREF_CHAINS, st.sampled_from(FIELDS)),
        st.tuples(st.just("exists"), st.booleans()),
    ),
)
_keyword_items = st.builds(
    _keyed,
    st.just(""),
    st.one_of(
        _item(PLAIN_CHAINS, texts.filter(bool)),
        _encoding_items,
        _regex_items,
        _comparisons,
        _networks,
    ),
)
_one_item = st.builds(lambda item: dict([item]), _field_items)
_maps = _one_item | st.lists(
    st.one_of(*[_field_items] * 8, _keyword_items), min_size=1, max_size=3
).map(dict)
_keywords = texts.filter(bool) | st.sampled_from([1, 10, 1.5, True])
# What stands under a search identifier: maps, lists of maps, keywords, lists in lists.
_detections = st.one_of(
    *[_one_item] * 2,
    *[_maps] * 3,
    _several(_maps),
    _several(_keywords),
    _keywords,
    _several(_maps | _keywords | _several(_keywords) | _several(_maps)),
)

NAMES = ("selection", "selection_b", "sel", "filter_a", "filter-b", "_hidden", "_hidden.x")
TARGETS = ("them", "them", "them", "*", "sel*", "*_b", "_hidden*")
# Conditions with {0}, {1}, … for search identifiers. A pattern that selects none of them is refused.
_identifiers = st.sampled_from(["{0}", "{1}", "{2}", "{3}"])
_primaries = (
    _identifiers
    | _identifiers
    | st.builds(
        "{} of {}".format,
        st.sampled_from(["1", "any", "all", "all", "1", "2"]),
        st.sampled_from([*TARGETS, "{0}", "{1}", "{2}"]),
    )
)
_conditions = _identifiers | st.recursive(
    _primaries,
    lambda inner: (
        st.builds("not ({})".format, inner)
        | st.builds("({}) {} ({})".format, inner, st.sampled_from(["and", "or"]), inner)
        | st.builds("{} and not {}".format, _primaries, _primaries)
    ),
    max_leaves=4,
)
LOGSOURCES = (
    {"product": "windows", "category": "process_creation"},
    {"product": "windows", "category": "registry_set"},
    {"product": "windows", "category": "registry_add"},
    {"product": "windows", "category": "network_connection"},
    {"product": "windows", "service": "security"},
    {"product": "windows", "service": "powershell"},
    {"product": "linux"},
    {"category": "antivirus"},
)
TITLES = ("A rule", "and", "{{ title }}", '"""', "Überrule\u2028", "1", "class", "x" * 300)


def _search(names: list[str], found: list[Any], condition: Any) -> dict[str, Any]:
    four = (names * 4)[:4]
    detection = dict(zip(names, found, strict=False))
    detection["condition"] = (
        [each.format(*four) for each in condition]
        if isinstance(condition, list)
        else condition.format(*four)
    )
    return detection


def _searches(conditions: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Search identifiers and conditions over them, as they stand in a rule or filter."""
    names = st.lists(st.sampled_from(NAMES), min_size=1, max_size=4, unique=True)
    return st.builds(_search, names, st.lists(_detections, min_size=4, max_size=4), conditions)


# A rule as its YAML says it.
rules = st.fixed_dictionaries(
    {
        "title": st.sampled_from(TITLES),
        "logsource": st.sampled_from(LOGSOURCES),
        "detection": _searches(_conditions | _conditions | _several(_conditions)),
    }
)


# What a filter is made of: the rule that it is sure to cover and another one, by their numbers; how it refers to
# them; which key of the logsource it leaves out, and in which letter case it has the others.
_aims = st.tuples(
    st.integers(0, 11),
    st.integers(0, 11),
    st.sampled_from(["any", "list", "name", "empty"]),
    st.sampled_from(["product", "category", ""]),
    st.sampled_from([str, str.upper]),
)


def _filter(title: str, aim: Any, search: dict[str, Any], found: list[Any]) -> dict[str, Any]:
    one, other, reference, left_out, case = aim
    rule, another = found[one % len(found)], found[other % len(found)]
    references = {
        "any": "any",
        "empty": [],
        "name": rule["name"],
        "list": [rule["name"], another["name"]],
    }
    logsource = {key: case(value) for key, value in rule["logsource"].items()}
    if len(logsource) > 1:
        logsource.pop(left_out, None)
    filter_ = {"rules": references[reference], **search}
    return {"title": title, "logsource": logsource, "filter": filter_}


def _rule_set(found: list[Any], filters: list[Any], random: Random) -> list[dict[str, Any]]:
    named = [{"name": f"rule_{number}", **each} for number, each in enumerate(found)]
    made = [*named, *(_filter(*each, named) for each in filters)]
    if filters:
        random.shuffle(made)
    return made


# Rules, and filters that mostly act on some of them: the documents of one file in any order.
rule_sets = st.builds(
    _rule_set,
    st.lists(rules, min_size=1, max_size=12),
    st.lists(st.tuples(st.sampled_from(TITLES), _aims, _searches(_conditions)), max_size=3),
    st.integers(0, 1000).map(Random),
)


def as_yaml(made: Sequence[dict[str, Any]]) -> bytes:
    """Rules and filters as the documents of one file."""
    text: str = yaml.safe_dump_all(made, allow_unicode=True, sort_keys=False, width=10_000)
    return text.encode()


# What each of some rules asks: the field (None: all of the event) and a value.
Aims = Sequence[Sequence[tuple[str | None, Value]]]


def aims(variants: Iterable[Sequence[Rule]]) -> Aims:
    """What events should come near to: every value of every item, rule after rule."""
    return [
        [(item.field, value) for rule in each for item in all_items(rule) for value in item.values]
        for each in variants
    ]


@dataclass(frozen=True)
class Near:
    """How to make a value that a rule's value is true of, or nearly so.

    `index` chooses among what fits, `any` and `one` stand in for wildcards, `before` and `after` mostly are empty.
    """

    index: int
    any: str
    one: str
    change: Callable[[str], str]
    before: str
    after: str

    def choose(self, *among: Any) -> Any:
        return among[self.index % len(among)]

    def to(self, value: Value) -> Any:
        """A value of an event that is near to a value of a rule."""
        match value:
            case Alternatives(values):
                return self.to(self.choose(*values)) if values else None
            case Text(parts):
                filled = {ANY: self.any, ONE: self.one, DASH: self.choose(*DASHES)}
                text = "".join(filled[p] if isinstance(p, Wildcard) else str(p) for p in parts)
                return self.before + self.change(text) + self.after
            case Number(number) | Compare(_, number):
                near = number + self.choose(0, 0, 0, 1, -1, 0.5)
                return self.choose(near, number, str(near), str(number), float(near))
            case Boolean(truth):
                return self.choose(truth, str(truth), self.change(str(truth)), not truth)
            case Null():
                return self.choose(None, [], [None, "a"], {}, "")
            case Regex():
                return self.choose("", "a", "b", "ab", "a\nb", "K", "aa.b", "\n", "ba", "ka\n")
            case Network(cidr):
                network = ipaddress.ip_network(cidr)
                address = network[self.choose(0, -1, network.num_addresses // 2)]
                beside = int(address) + self.choose(0, 0, 1, -1)
                known = 0 <= beside < 2**network.max_prefixlen
                text = str(type(address)(beside)) if known else str(address)
                return self.choose(text, text, f"::ffff:{text}", f"{text}%1")
            case TimePart():
                return self.choose(*TIMES)
        return self.any


_affixes = st.sampled_from(["", "", "", "", "a", "k", "\n", ".0"])
_nears = st.builds(
    Near,
    st.integers(0, 200),
    st.sampled_from(["", "a", "\n", "*", "xx"]),
    st.sampled_from(["b", "?", "😀", "", "\n"]),
    st.sampled_from([str, str, str.upper, str.swapcase, str.title]),
    _affixes,
    _affixes,
)


@dataclass(frozen=True)
class Shot:
    """An event near to one rule: `nears` make its values, `listed` and `nested` say how they lie in the event."""

    rule: int
    nears: list[Near]
    listed: bool
    nested: bool

    def at(self, targets: Aims) -> Event:
        event: Event = {}
        asked = targets[self.rule % len(targets)] if targets else ()
        for number, (field, value) in enumerate(asked):
            near = self.nears[number % len(self.nears)]
            if isinstance(value, Exists) and near.index % 2:
                continue
            found = near.to(value)
            if isinstance(value, FieldRef):
                found = near.choose("a", "K", 10, "1.0", True, near.before + near.one)
                self._put(event, value.field, near.choose(found, str(found), f"{found}a", "k"))
            if self.listed:
                found = near.choose([near.one, found], [[found], None], {"D": found})
            self._put(event, field or "Z", found)
        return event

    def _put(self, event: Event, field: str, value: Any) -> None:
        """Set a field, a dotted one in objects of objects if `nested`; a value that is there stays."""
        first, dot, rest = field.partition(".")
        if dot and self.nested:
            inner = event.setdefault(first, {})
            if isinstance(inner, dict):
                self._put(inner, rest, value)
        else:
            event.setdefault(field, value)


_scalars = words | st.sampled_from(
    [*NUMBERS, True, False, None, "", 2**70, -(2**65), *ADDRESSES, *TIMES, *DECIMALS]
)
_values = st.recursive(
    _scalars,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("DEA"), inner, max_size=2)
    ),
    max_leaves=4,
)
# Where events have values: what a rule's fields name, what pipelines rename them to, what only looks like them.
KEYS = (*FIELDS, "C", "NewProcessName", "SubjectUserName", "a", "Z")
SYSMON = "Microsoft-Windows-Sysmon/Operational"
# What pipelines ask of events of Windows.
WINDOWS: tuple[Event, ...] = (
    *({"Channel": SYSMON, "EventID": number} for number in (1, 3, "1", 1.0)),
    *({"Channel": SYSMON, "EventID": 12, "EventType": each} for each in ("CreateKey", "x")),
    {"Channel": SYSMON.upper(), "EventID": 13},
    *({"Channel": "Security", "EventID": number} for number in (4688, 5156, 4657)),
    {"Channel": ["Security", "System"], "EventID": [4688, 1]},
    {"Channel": "Microsoft-Windows-PowerShell/Operational", "EventID": None},
    {"Channel": "Microsoft-Windows-Windows Defender/Operational", "EventID": "1116"},
)
_shots = st.builds(
    Shot,
    st.integers(0, 200),
    st.lists(_nears, min_size=3, max_size=3),
    st.sampled_from([False, False, False, True]),
    st.booleans(),
)
_parts = st.tuples(
    st.dictionaries(st.sampled_from(KEYS), _values, max_size=3),
    st.one_of(_shots, _shots, _shots, st.none()),
    st.just({}) | st.sampled_from(WINDOWS),
)


def events(targets: Aims) -> st.SearchStrategy[Event]:
    """Events, most of them near to what one of some rules asks for."""

    def made(parts: tuple[Event, Shot | None, Event]) -> Event:
        # What a pipeline asks for is a target too; where there is an event of Windows, that is the whole of it.
        rest, shot, windows = parts
        return rest | (shot.at(targets) if shot else {}) | windows

    return _parts.map(made)
