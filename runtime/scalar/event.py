"""One event as the generated code sees it: questions about its fields, answered once and remembered.

The methods are the vocabulary of generated conditions. Literals come folded (lower case); `…_cased` ones come as the
rule wrote them. A field with several values (an array) satisfies a question when some value does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from sigmac.runtime.errors import EventError
from sigmac.runtime.scalar.fields import Facts
from sigmac.runtime.scalar.globs import regex_of
from sigmac.runtime.scalar.scalars import (
    Number,
    address_of,
    mapped_ipv4,
    number_of,
    part_of,
    text_of,
    time_of,
    values_of,
)
from sigmac.runtime.scalar.vocabulary import Vocabulary


class Event:
    """A JSON object under evaluation by one pack; lives for one `match`."""

    __slots__ = ("_fields", "_vocabulary", "known")

    def __init__(self, fields: Mapping[str, Any], vocabulary: Vocabulary):
        self._fields = fields
        self._vocabulary = vocabulary
        self.known: dict[str, Facts] = {}

    def facts(self, field: str) -> Facts:
        """What is known of a field; `""` stands for all scalar leaves of the event."""
        found = self.known.get(field)
        if found is None:
            found = self.known[field] = self._look(field)
        return found

    def _values(self, field: str) -> Sequence[Any]:
        """What a field holds: scalars, nulls and objects."""
        return (self.known.get(field) or self.facts(field)).values

    def _look(self, field: str) -> Facts:
        values = values_of(self._fields, field)
        if values is None:
            return self._vocabulary.absent
        try:
            return self._vocabulary.index(field).facts_of_all(values)
        except UnicodeEncodeError:
            raise EventError(f"the field {field!r} holds a lone surrogate") from None

    # Text

    def equals(self, field: str, *texts: str) -> bool:
        """The value is one of these texts."""
        return not (self.known.get(field) or self.facts(field)).equals.isdisjoint(texts)

    def contains(self, field: str, *texts: str) -> bool:
        """The value contains one of these texts."""
        return not (self.known.get(field) or self.facts(field)).contains.isdisjoint(texts)

    def contains_all(self, field: str, *texts: str) -> bool:
        """The value contains each of these texts."""
        return (self.known.get(field) or self.facts(field)).contains.issuperset(texts)

    def startswith(self, field: str, *texts: str) -> bool:
        """The value starts with one of these texts."""
        return not (self.known.get(field) or self.facts(field)).startswith.isdisjoint(texts)

    def endswith(self, field: str, *texts: str) -> bool:
        """The value ends with one of these texts."""
        return not (self.known.get(field) or self.facts(field)).endswith.isdisjoint(texts)

    def like(self, field: str, *globs: str) -> bool:
        """The whole value matches one of these patterns: `*` any run, `?` one character, `[-]` any dash."""
        facts = self.facts(field)
        return any(self._like(facts, glob) for glob in globs)

    def _like(self, facts: Facts, glob: str) -> bool:
        known = facts.confirmed.get(glob)
        if known is None:
            how = self._vocabulary.plan(glob)
            if how.test:
                known = not getattr(facts, how.test).isdisjoint(how.literals)
            elif how.literals and facts.contains.isdisjoint(how.literals):
                known = False
            else:
                search = self._vocabulary.regex(how.regex).search
                fold = self._vocabulary.fold
                known = any(search(fold(text)) is not None for text in _texts(facts))
            facts.confirmed[glob] = known
        return known

    # Text with its letter case

    def equals_cased(self, field: str, *texts: str) -> bool:
        """The value is one of these texts, letter case counts."""
        return any(text in texts for text in _texts(self.facts(field)))

    def contains_cased(self, field: str, *texts: str) -> bool:
        """The value contains one of these texts, letter case counts."""
        return any(each in text for text in _texts(self.facts(field)) for each in texts)

    def contains_all_cased(self, field: str, *texts: str) -> bool:
        """The value contains each of these texts, letter case counts."""
        return all(self.contains_cased(field, text) for text in texts)

    def startswith_cased(self, field: str, *texts: str) -> bool:
        """The value starts with one of these texts, letter case counts."""
        return any(text.startswith(texts) for text in _texts(self.facts(field)))

    def endswith_cased(self, field: str, *texts: str) -> bool:
        """The value ends with one of these texts, letter case counts."""
        return any(text.endswith(texts) for text in _texts(self.facts(field)))

    def like_cased(self, field: str, *globs: str) -> bool:
        """The whole value matches one of these patterns, letter case counts."""
        facts = self.facts(field)
        return any(self._search(facts, regex_of(glob)) for glob in globs)

    def regex(self, field: str, *patterns: str) -> bool:
        """One of these RE2 patterns is found in the value."""
        facts = self.facts(field)
        for pattern in patterns:
            required = self._vocabulary.required_by(field, pattern)
            if any(facts.contains.isdisjoint(literals) for literals in required):
                continue
            if self._search(facts, pattern):
                return True
        return False

    def _search(self, facts: Facts, pattern: str) -> bool:
        key = ("regex", pattern)
        known = facts.confirmed.get(key)
        if known is None:
            search = self._vocabulary.regex(pattern).search
            known = any(search(text) is not None for text in _texts(facts))
            facts.confirmed[key] = known
        return known

    # Numbers, addresses, times

    def number(self, field: str, *numbers: Number) -> bool:
        """The value is a number equal to one of these."""
        return not (self.known.get(field) or self.facts(field)).numbers.isdisjoint(numbers)

    def less(self, field: str, limit: Number) -> bool:
        """The value is a number below the limit."""
        most = 2 * self._vocabulary.index(field).ranks[limit]
        return any(
            position <= most for position in (self.known.get(field) or self.facts(field)).positions
        )

    def less_equal(self, field: str, limit: Number) -> bool:
        """The value is a number, the limit or below it."""
        most = 2 * self._vocabulary.index(field).ranks[limit] + 1
        return any(
            position <= most for position in (self.known.get(field) or self.facts(field)).positions
        )

    def greater(self, field: str, limit: Number) -> bool:
        """The value is a number above the limit."""
        least = 2 * self._vocabulary.index(field).ranks[limit] + 2
        return any(
            position >= least for position in (self.known.get(field) or self.facts(field)).positions
        )

    def greater_equal(self, field: str, limit: Number) -> bool:
        """The value is a number, the limit or above it."""
        least = 2 * self._vocabulary.index(field).ranks[limit] + 1
        return any(
            position >= least for position in (self.known.get(field) or self.facts(field)).positions
        )

    def cidr(self, field: str, *networks: str) -> bool:
        """The value is an address in one of these networks; mapped IPv4 addresses count as IPv4 too."""
        facts = self.facts(field)
        return any(not self._networks(field, text).isdisjoint(networks) for text in _texts(facts))

    def _networks(self, field: str, text: str) -> frozenset[str]:
        found = address_of(text)
        if found is None:
            return frozenset()
        version, address = found
        if version == 4:
            return self._vocabulary.networks_v4(field, address)
        networks = self._vocabulary.networks_v6(field, address)
        mapped = mapped_ipv4(address)
        return (
            networks if mapped is None else networks | self._vocabulary.networks_v4(field, mapped)
        )

    def time(self, field: str, part: str, comparison: str, number: Number) -> bool:
        """A part of the value's timestamp (`minute` … `year`) compared with a number."""
        for value in (self.known.get(field) or self.facts(field)).values:
            when = time_of(value)
            if when is not None and self._vocabulary.time_holds(
                field, part, comparison, number, part_of(when, part)
            ):
                return True
        return False

    # Presence and other fields

    def exists(self, field: str) -> bool:
        """The field is present, whatever it holds."""
        return (self.known.get(field) or self.facts(field)).present

    def null(self, field: str) -> bool:
        """The field is absent, null, an empty list or a list that holds null."""
        return (self.known.get(field) or self.facts(field)).null

    def same(
        self, field: str, other: str, placement: str = "equals", *, cased: bool = False
    ) -> bool:
        """Some value equals (or contains, starts or ends with) some value of the other field."""
        theirs = self._values(other)
        return any(
            self._same(one, two, placement, cased) for one in self._values(field) for two in theirs
        )

    def _same(self, one: Any, two: Any, placement: str, cased: bool) -> bool:
        left, right = text_of(one), text_of(two)
        if left is None or right is None:
            return False
        if placement == "equals":
            if left == right:
                return True
            number = number_of(one)
            other = None if number is None else number_of(two)
            if number is not None and other is not None:
                return number == other
        if not cased:
            left, right = self._vocabulary.fold(left), self._vocabulary.fold(right)
        if placement == "contains":
            return right in left
        if placement == "startswith":
            return left.startswith(right)
        return left.endswith(right) if placement == "endswith" else left == right


class _Texts:
    """Folded texts that answer like the set of the literals that hold for some of them."""

    __slots__ = ("_holds", "_texts")

    def __init__(self, texts: Sequence[str], holds: Callable[[str, str], bool]):
        self._texts = texts
        self._holds = holds

    def _has(self, literal: str) -> bool:
        return any(self._holds(text, literal) for text in self._texts)

    def isdisjoint(self, literals: Iterable[str]) -> bool:
        return not any(map(self._has, literals))

    def issuperset(self, literals: Iterable[str]) -> bool:
        return all(map(self._has, literals))


class BriefEvent(Event):
    """An event that is asked a few questions: literals are looked for one by one, and no index is made for them."""

    __slots__ = ()

    def _look(self, field: str) -> Facts:
        values = values_of(self._fields, field)
        if values is None or field in self._vocabulary.numeric:
            return super()._look(field)
        facts = Facts(tuple(values))
        texts = [self._vocabulary.fold(text) for text in _texts(facts)]
        if texts:
            asked: Any = facts
            asked.equals = _Texts(texts, str.__eq__)
            asked.contains = _Texts(texts, str.__contains__)
            asked.startswith = _Texts(texts, str.startswith)
            asked.endswith = _Texts(texts, str.endswith)
        return facts


def _texts(facts: Facts) -> Sequence[str]:
    return [text for text in map(text_of, facts.values) if text is not None]
