"""Hypothesis strategies: Sigma rules that use every construct, and events that come close to them.

Everything is made of few words and fields, so that what a rule asks for and what an event holds meet often.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import re2
import yaml
from hypothesis import strategies as st

from sigmac.compiler.modifiers import re2_options

Event = dict[str, Any]

# Regular expressions in pieces that say something of the letters a, b and k; not all that comes of it is one.
_pieces = st.sampled_from(
    [
        "a",
        "b",
        "k",
        "A",
        r"\.",
        ".",
        ".*",
        ".+",
        "a*",
        "b?",
        "(a|b)",
        "(?:ab|)",
        "[ab]",
        "[k]",
        "[^a]",
        "^",
        "$",
        r"\A",
        r"\z",
        r"\b",
        r"\n",
        "(a|b.*)",
        "(?:^a|b$)",
        "a{2}",
        "(?i:k)",
        "(?s:.*)",
        "(?i)",
        "(?m)",
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


# Words of which values are made: letters with odd folds (K, long s, final sigma, sharp s, dotted I), dashes, what is
# special to Sigma, JSON, Python or templates.
WORDS = (
    *[
        "a",
        "b",
        "ab",
        "A",
        "k",
        "s",
        "\u212a",
        "\u017f",
        "ς",
        "Σ",
        "ß",
        "ẞ",
        "ss",
        "İ",
        "é",
        "e\u0301",
        "😀",
    ],
    *[
        "-",
        "/",
        "–",
        " ",
        " -a",
        " /ab",
        "\n",
        "\0",
        "\u2028",
        "'",
        '"',
        "{",
        "}",
        "{{",
        "#",
        "1",
        "0",
        ".",
    ],
    *["%", "%p%", "\\", "*", "?", "[-]", "true", "10", "1.5", "null", "cmd.exe", "\\cmd.exe"],
)
FIELDS = ("A", "B", "Image", "User", "C.D", "C.D.E", "Ä b", "a-b")
# Modifiers in chains that Sigma allows, by what they take.
TEXT_CHAINS = (
    *[
        "",
        "",
        "",
        "contains",
        "startswith",
        "endswith",
        "cased",
        "contains|cased",
        "cased|startswith",
    ],
    *[
        "windash",
        "windash|contains",
        "contains|windash",
        "endswith|windash",
        "windash|contains|cased",
    ],
    *["expand", "contains|expand", "expand|startswith", "windash|expand|endswith", "expand|base64"],
    *["base64", "base64|contains", "base64|startswith|cased", "base64offset|contains"],
    *["wide", "utf16le|contains", "utf16be|endswith", "wide|base64offset|contains", "utf16|base64"],
    *[
        "utf16be|base64",
        "windash|base64offset|contains",
        "base64offset",
        "windash|wide|base64|contains",
    ],
)
REGEX_CHAINS = ("re", "re|i", "re|m", "re|s", "re|i|m|s", "re|ignorecase|dotall", "re|expand")
COMPARISONS = ("lt", "lte", "gt", "gte")
TIME_CHAINS = (
    *["minute", "hour", "day", "week", "month", "year"],
    *["minute|lt", "hour|gte", "day|gt", "week|lte", "month|lt", "year|gte"],
)
FIELDREF_CHAINS = (
    *["fieldref", "fieldref|contains", "fieldref|startswith", "fieldref|endswith"],
    *["cased|fieldref", "fieldref|contains|cased"],
)
PLACEHOLDERS = {"p": ["a", "*b", "k?"], "q": ["10", r"\cmd"]}

NUMBERS = (
    0,
    1,
    -1,
    2,
    10,
    1.5,
    10.0,
    0.1,
    2**53,
    2**53 + 1,
    2**63 - 1,
    2**64 - 1,
    -(2**63),
    1e300,
    1e-7,
)
NETWORKS = (
    *[
        "10.0.0.0/8",
        "10.1.1.1",
        "0.0.0.0/0",
        "10.1.0.0/16",
        "::/0",
        "fe80::/10",
        "::1",
        "2001:db8::/33",
    ],
    *["::ffff:0:0/96", "::ffff:10.0.0.0/104", "255.255.255.255/32", "10.1.1.0/31"],
)
ADDRESSES = (
    *[
        "10.1.1.1",
        "10.1.1.2",
        "10.01.1.1",
        "10.1.1",
        "10.1.1.1:80",
        " 10.1.1.1",
        "::1",
        "::ffff:10.1.1.1",
    ],
    *[
        "fe80::1%eth0",
        "FE80::1",
        "2001:DB8::8000:0:0:1",
        "255.255.255.255",
        "0.0.0.0",
        "1::1%",
        "10.1.1.1%1",
    ],
)
TIMES = (
    *[
        "2024-01-02T03:04:05Z",
        "2024-12-30 23:59",
        "2024-02-30",
        "2024-02-29",
        "2020-12-31T10:10:10.5+05:30",
    ],
    *[
        "2024-01-02T03:04:05+99:00",
        "2024-1-2",
        "0001-01-01",
        "10:10",
        0,
        1704164645,
        1704164645123,
        -1,
    ],
    *[1704164645123456, 1704164645123456789, 1.7e9, 1e30, -1e18],
)
DECIMALS = (
    "1",
    "-1",
    "+1",
    "01",
    "1.50",
    "1.",
    ".5",
    "1e3",
    "0x1",
    " 1",
    "9007199254740993",
    "1_0",
    "\u0661",
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


def _encodes(chain: str) -> bool:
    return any(word in chain for word in ("base64", "wide", "utf16"))


# Most encodings take no wildcard, some no text beyond ASCII.
_encodable = st.sampled_from(["a", "ab", "foo", "-a b", "10", "%p%"])
_text_items = _item([each for each in TEXT_CHAINS if not _encodes(each)], texts)
_items = st.one_of(
    _text_items,
    _text_items,
    _text_items,
    _item([each for each in TEXT_CHAINS if _encodes(each)], _encodable),
    _item([""], plain_scalars),
    _item([""], plain_scalars),
    _item(REGEX_CHAINS, patterns.filter(compiled)),
    _item(COMPARISONS, st.sampled_from(NUMBERS)),
    _item(["cidr"], st.sampled_from(NETWORKS)),
    _item(TIME_CHAINS, st.sampled_from([0, 1, 3, 4, 10, 12, 30, 53, 59, 2024, 3.5, -1])),
    _item(FIELDREF_CHAINS, st.sampled_from(FIELDS)),
    st.tuples(st.just("exists"), st.booleans()),
)
_keyword_items = st.one_of(
    _item([each for each in TEXT_CHAINS if not _encodes(each)], texts.filter(bool)),
    _item([each for each in TEXT_CHAINS if _encodes(each)], _encodable),
    _item(REGEX_CHAINS, patterns.filter(compiled)),
    _item(COMPARISONS, st.sampled_from(NUMBERS)),
    _item(["cidr"], st.sampled_from(NETWORKS)),
)


def _keyed(field: str, item: tuple[str, Any]) -> tuple[str, Any]:
    chain, values = item
    chain = chain.strip("|")
    return f"{field}|{chain}" if chain else field, values


_maps = st.lists(
    st.one_of(
        *[st.builds(_keyed, st.sampled_from(FIELDS), _items)] * 8,
        st.builds(_keyed, st.just(""), _keyword_items),
    ),
    min_size=1,
    max_size=3,
).map(dict)
_keywords = texts.filter(bool) | st.sampled_from([1, 10, 1.5, True])
# What stands under a search identifier: maps, lists of maps, keywords, lists in lists.
detections = st.one_of(
    _maps,
    _maps,
    _maps,
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
_conditions = st.recursive(
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
_names = st.lists(st.sampled_from(NAMES), min_size=1, max_size=4, unique=True)
_some_conditions = _conditions | _conditions | _several(_conditions)


def _rule(
    title: str, logsource: dict[str, str], names: list[str], found: list[Any], condition: Any
) -> dict[str, Any]:
    four = (names * 4)[:4]
    listed = condition if isinstance(condition, list) else [condition]
    filled = [each.format(*four) for each in listed]
    detection = dict(zip(names, found, strict=False))
    detection["condition"] = filled if isinstance(condition, list) else filled[0]
    return {"title": title, "logsource": logsource, "detection": detection}


# A rule as its YAML says it.
rules = st.builds(
    _rule,
    st.sampled_from(TITLES),
    st.sampled_from(LOGSOURCES),
    _names,
    st.lists(detections, min_size=4, max_size=4),
    _some_conditions,
)


def as_yaml(made: Sequence[dict[str, Any]]) -> bytes:
    """Rules as the documents of one file."""
    text: str = yaml.safe_dump_all(made, allow_unicode=True, sort_keys=False, width=10_000)
    return text.encode()


def mentioned(node: Any) -> list[Any]:
    """Every scalar in a rule's detections."""
    if isinstance(node, dict):
        return [
            each for key, child in node.items() if key != "condition" for each in mentioned(child)
        ]
    if isinstance(node, list):
        return [each for child in node for each in mentioned(child)]
    return [node]


@dataclass(frozen=True)
class Near:
    """A value of an event made of one that a rule mentions: its wildcards filled, its case changed."""

    index: int
    any: str
    one: str
    change: Callable[[str], str]
    before: str
    after: str

    def value(self, mentioned: Sequence[Any]) -> Any:
        value = mentioned[self.index % len(mentioned)]
        if not isinstance(value, str):
            return str(value) + self.before if self.before else value
        text = value.replace("\\\\", "\\").replace("*", self.any).replace("?", self.one)
        return self.before + self.change(text) + self.after


_affixes = st.sampled_from(["", "", "", "a", "k", "\n", ".0"])
_near = st.builds(
    Near,
    st.integers(0, 200),
    st.sampled_from(["", "a", "\n", "*", "xx"]),
    st.sampled_from(["b", "?", "😀", "", "\n"]),
    st.sampled_from([str, str, str.upper, str.swapcase]),
    _affixes,
    _affixes,
)
_scalars = (
    _near
    | _near
    | words
    | st.sampled_from([*NUMBERS, True, False, None, "", 2**70, -(2**65)])
    | st.sampled_from([*ADDRESSES, *TIMES, *DECIMALS])
)
_values = st.recursive(
    _scalars,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("DEA"), inner, max_size=2)
    ),
    max_leaves=4,
)


def _made_near(value: Any, mentioned: Sequence[Any]) -> Any:
    if isinstance(value, Near):
        return value.value(mentioned)
    if isinstance(value, list):
        return [_made_near(each, mentioned) for each in value]
    if isinstance(value, dict):
        return {key: _made_near(each, mentioned) for key, each in value.items()}
    return value


# Where events have values: what a rule's fields name, what pipelines rename them to, what only looks like them.
KEYS = (
    "A",
    "B",
    "Image",
    "NewProcessName",
    "User",
    "SubjectUserName",
    "C",
    "C.D",
    "Ä b",
    "a-b",
    "a",
    "Z",
)
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

_events = st.builds(
    lambda made, windows: made | windows,
    st.dictionaries(st.sampled_from(KEYS), _values, max_size=6),
    st.just({}) | st.sampled_from(WINDOWS),
)


def events(mentioned: Sequence[Any] = ("a",)) -> st.SearchStrategy[Event]:
    """An event; `mentioned` are values that rules compare with, which it may come near to."""
    return _events.map(lambda event: _made_near(event, mentioned))
