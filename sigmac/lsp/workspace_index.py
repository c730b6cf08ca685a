"""What the files of a workspace hold: by what rules are called, and what they say of each other.

Of each document no more is kept than what others are compared with and what a hover shows, a few kilobytes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from sigmac.compiler.checks.among_rules import Outline
from sigmac.compiler.diagnostics.diagnostic import Place

MAX_DOCUMENTS = 100_000
MOST_NEIGHBOURS = 100  # files that one is checked with
_KEYS = ("product", "category", "service")

LogsourceKey = tuple[str, str, str]  # in the order of `_KEYS`, lower case, "" for what is not given
_Key = tuple[str, ...]
_Counted = TypeVar("_Counted")


@dataclass(frozen=True, slots=True)
class Summary:
    """One document: `kind` is rule, correlation, filter, refused or cases.

    `refers` are the ids, names and titles by which it speaks of rules, with their places.
    """

    kind: str
    outline: Outline
    place: Place
    logsource: LogsourceKey = ("", "", "")
    refers: tuple[tuple[str, Place], ...] = ()
    is_for_any: bool = False  # a filter for all rules of its logsource
    status: str = ""
    level: str = ""
    description: str = ""

    @property
    def names(self) -> Iterator[str]:
        """What a reference may call it."""
        return (each for each in (self.outline.id, self.outline.name) if each)


@dataclass(frozen=True, slots=True)
class Neighbours:
    """What a file is checked with: other files, and how rules of the same logsource write its fields."""

    files: Sequence[str] = ()
    spellings: Sequence[tuple[str, str, int]] = ()  # logsource, name of a field, number of rules


@dataclass(slots=True)
class WorkspaceIndex:
    """The summaries of all files, found by ids, names, titles, references, logsources and fields."""

    files: dict[str, tuple[Summary, ...]] = field(default_factory=dict)
    documents: int = 0
    is_full: bool = False  # whether files were left out
    _by_key: dict[_Key, dict[str, None]] = field(default_factory=dict)
    _fields: dict[str, Counter[str]] = field(default_factory=dict)  # of rules, by their logsource
    _logsources: Counter[LogsourceKey] = field(default_factory=Counter)

    def put(self, file: str, summaries: Sequence[Summary]) -> None:
        """Hold what a file has now; without any the file is forgotten."""
        for old in self.files.pop(file, ()):
            self.documents -= 1
            self._count(old, -1)
            for key in _keys(old):
                held = self._by_key.get(key)
                if held is not None:
                    held.pop(file, None)
                    if not held:
                        del self._by_key[key]
        if not summaries:
            return
        if self.documents + len(summaries) > MAX_DOCUMENTS:
            self.is_full = True
            return
        self.files[file] = tuple(summaries)
        self.documents += len(summaries)
        for summary in summaries:
            for key in _keys(summary):
                self._by_key.setdefault(key, {})[file] = None
            self._count(summary, 1)

    def _count(self, summary: Summary, number: int) -> None:
        if summary.kind == "rule":
            logsource, asked = summary.outline.logsource, summary.outline.fields
            _add(self._logsources, [summary.logsource], number)
            counts = self._fields.setdefault(logsource, Counter())
            _add(counts, asked, number)
            if not counts:
                del self._fields[logsource]

    def called(self, text: str) -> list[Summary]:
        """The rules and correlations with an id or a name."""
        found = []
        for file in self._files(("id", text.lower()), ("name", text)):
            for each in self.files[file]:
                same_id = (each.outline.id or "").lower() == text.lower()
                if each.kind != "cases" and (same_id or each.outline.name == text):
                    found.append(each)
        return found

    def titled(self, text: str) -> list[Summary]:
        """The rules and correlations with a title, whatever its letter case and blanks."""
        folded = _folded(text)
        return [
            each
            for file in self._files(("title", folded))
            for each in self.files[file]
            if each.kind != "cases" and _folded(each.outline.title) == folded
        ]

    def referring(self, names: Iterable[str]) -> list[Place]:
        """Where documents speak of one that has these ids and names."""
        wanted = {name.lower() for name in names}
        found = []
        for file in self._files(*(("refers", name) for name in wanted)):
            for each in self.files[file]:
                found += [place for text, place in each.refers if text.lower() in wanted]
                found += [
                    place for text, _, place in each.outline.related if text.lower() in wanted
                ]
        return found

    def documents_with_names(self) -> Iterator[Summary]:
        """All that can be referred to."""
        for summaries in self.files.values():
            for each in summaries:
                if each.kind in ("rule", "correlation") and (each.outline.id or each.outline.name):
                    yield each

    def logsource_values(self, key: str, given: LogsourceKey) -> list[str]:
        """The values that a key of logsources has beside what is given of the others, the most frequent first."""
        number = _KEYS.index(key)
        wanted = tuple("" if i == number else each for i, each in enumerate(given))
        counts: Counter[str] = Counter()
        for found, times in self._logsources.items():
            if found[number] and _covers((wanted[0], wanted[1], wanted[2]), found):
                counts[found[number]] += times
        return [value for value, _ in counts.most_common()]

    def fields_of(self, logsource: str) -> list[str]:
        """The fields that rules of a logsource, as `Outline` writes it, ask for, the most frequent first."""
        return [name for name, _ in self._fields.get(logsource, Counter()).most_common()]

    def times_asked(self, logsource: str, name: str) -> int:
        """How many rules of a logsource ask for a field."""
        return self._fields.get(logsource, Counter())[name]

    def fields_of_rules(self, names: Iterable[str]) -> list[str]:
        """The fields that the rules ask for which have these ids or names, or which such correlations refer to."""
        found: dict[str, None] = {}
        for each in self._below(names):
            found.update(dict.fromkeys(each.outline.fields))
        return [*found]

    def neighbours(self, file: str) -> Neighbours:
        """What a file of the index must be checked with to find what there is to say of it among the others."""
        found: dict[str, None] = {}
        own = self.files.get(file, ())
        for each in own:
            found.update(dict.fromkeys(self._beside(each)))
        rules = [each for each in own if each.kind == "rule"]
        for name in [*found]:
            rules += [each for each in self.files[name] if each.kind == "rule"]
        for each in rules:
            found.update(dict.fromkeys(self._filters_on(each)))
        found.pop(file, None)
        files = sorted([*found][:MOST_NEIGHBOURS])
        return Neighbours(files, [*self._spellings(own, {file, *files})])

    def _beside(self, summary: Summary) -> Iterator[str]:
        outline = summary.outline
        keys: list[_Key] = [("id", name.lower()) for name in (outline.id,) if name]
        keys += [("name", outline.name)] if outline.name else []
        keys += [("title", _folded(outline.title))]
        keys += [("meaning", outline.meaning)] if outline.meaning else []
        keys += [("id", target.lower()) for target, _, _ in outline.related]
        yield from self._files(*keys)
        for below in self._below(text for text, _ in summary.refers):
            yield below.place.file
        titles = [("title", _folded(text)) for text, _ in summary.refers]
        yield from self._files(*titles)
        if summary.is_for_any:
            yield from self._a_rule_of(summary.logsource)

    def _below(self, names: Iterable[str]) -> Iterator[Summary]:
        waiting, seen = [*names], set[str]()
        while waiting:
            name = waiting.pop()
            if name in seen or len(seen) > MOST_NEIGHBOURS:
                continue
            seen.add(name)
            for each in self.called(name):
                yield each
                if each.kind == "correlation":
                    waiting += [text for text, _ in each.refers]

    def _filters_on(self, rule: Summary) -> Iterator[str]:
        yield from self._files(*(("refers", name.lower()) for name in rule.names))
        for file in self._files(("filter for any",)):
            if any(
                each.is_for_any and _covers(each.logsource, rule.logsource)
                for each in self.files[file]
            ):
                yield file

    def _a_rule_of(self, logsource: LogsourceKey) -> Iterator[str]:
        for known in self._logsources:
            if _covers(logsource, known):
                yield from self._files(("logsource", *known))[:1]
                return

    def _spellings(self, own: Sequence[Summary], but: set[str]) -> Iterator[tuple[str, str, int]]:
        for logsource in {each.outline.logsource for each in own if each.kind == "rule"}:
            asked = {
                name.lower()
                for each in own
                if each.outline.logsource == logsource
                for name in each.outline.fields
            }
            counts = Counter(self._fields.get(logsource, {}))
            for file in but:
                for each in self.files.get(file, ()):
                    if each.outline.logsource == logsource:
                        counts.subtract(each.outline.fields.keys())
            for name, number in counts.items():
                if number > 0 and name.lower() in asked:
                    yield logsource, name, number

    def _files(self, *keys: _Key) -> list[str]:
        found: dict[str, None] = {}
        for key in keys:
            found.update(self._by_key.get(key, {}))
        return [*found]


def _add(counts: Counter[_Counted], what: Iterable[_Counted], number: int) -> None:
    """Count each of some things so many times more; what is left of none is forgotten."""
    for each in what:
        counts[each] += number
        if not counts[each]:
            del counts[each]


def _keys(summary: Summary) -> Iterator[_Key]:
    """All that a document is found by."""
    outline = summary.outline
    if summary.kind != "cases":
        if outline.id:
            yield "id", outline.id.lower()
        if outline.name:
            yield "name", outline.name
        yield "title", _folded(outline.title)
    if summary.kind == "rule":
        yield "logsource", *summary.logsource
    if outline.meaning:
        yield "meaning", outline.meaning
    if summary.is_for_any:
        yield ("filter for any",)
    for text, _ in summary.refers:
        yield "refers", text.lower()
    for text, _, _ in outline.related:
        yield "refers", text.lower()


def _folded(title: str) -> str:
    return " ".join(title.split()).lower()


def _covers(mine: LogsourceKey, theirs: LogsourceKey) -> bool:
    return all(not each or each == other for each, other in zip(mine, theirs, strict=True))
