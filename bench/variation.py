"""Events and rules made from recorded and public ones by changing their values."""

from __future__ import annotations

import itertools
import random
import re
import uuid
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import orjson
import yaml

from sigmac.runtime.match import LOGSOURCE_KEYS

# Values of items with these modifiers are patterns, numbers or names: another text could be no value of theirs.
_FIXED = re.compile(
    r"\|(re|cidr|fieldref|exists|lte?|gte?|expand|minute|hour|day|week|month|year)\b"
)
_WORD = re.compile(r"[A-Za-z]{4,}")
# Where nothing else can be changed: words of patterns, which stand behind no backslash, and numbers.
_NO_WORD = re.compile(r"\|(cidr|fieldref|exists|expand|minute|hour|day|week|month|year)\b")
_LITERAL_WORD = re.compile(r"(?<![\\A-Za-z])[A-Za-z]{4,}")


def with_unique_values(lines: Iterable[bytes], keep: Collection[str]) -> Iterator[bytes]:
    """The records with a text of its own before each string value, so that none occurs twice.

    The end of a value and what it contains stay, so rules go on looking at it. The values of the fields `keep` stay as
    they are: where they say which rules concern an event, no rule would be left otherwise.
    """
    numbers = itertools.count()
    return with_values(lines, lambda value: f"{next(numbers):08x}{value}", keep)


def with_values(
    lines: Iterable[bytes], change: Callable[[str], str], keep: Collection[str]
) -> Iterator[bytes]:
    """The records with every string value changed, but for those of the fields `keep`."""
    for line in lines:
        event = orjson.loads(line)
        changed = {
            name: value if name in keep else _changed(value, change)
            for name, value in event.items()
        }
        yield orjson.dumps(changed)


def _changed(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, list):
        return [_changed(each, change) for each in value]
    if isinstance(value, dict):
        return {name: _changed(inner, change) for name, inner in value.items()}
    return value


def write_rules(rules: Iterable[dict[str, Any]], folder: Path) -> Path:
    """A folder with a file for each rule."""
    folder.mkdir(parents=True)
    for number, rule in enumerate(rules):
        text = yaml.dump(rule, Dumper=yaml.CSafeDumper, sort_keys=False, allow_unicode=True)
        (folder / f"{number:05}.yml").write_text(text, "utf-8")
    return folder


def more_rules(rules: list[dict[str, Any]], count: int) -> list[dict[str, Any]]:
    """So many rules: the given ones in random order, then copies of them, each with words of its own.

    In a copy about half of the values have another word in place of one of theirs, which reads like those of the rules
    (`_Words`). Where that changes none, as where a rule asks for patterns and numbers alone, the first of all values
    that can be is changed; a rule without any is not copied. So no rule asks what another does, if those given do not.
    """
    order = random.Random(1).sample(rules, len(rules))
    words = _Words(text for rule in rules for text in _texts(rule["detection"]))
    copies = (_copy(rule, number, words) for number in itertools.count(1) for rule in order)
    return list(itertools.islice(itertools.chain(order, filter(None, copies)), count))


def fair_sample(rules: Sequence[dict[str, Any]], count: int) -> list[dict[str, Any]]:
    """So many of the rules, of each logsource its share but one at least, in the order in which they are given.

    What a few rules ask can concern every event, as keywords of all of Windows do: without them a sample would be of
    another kind. Shares are rounded so that their sum is right (largest remainders), and a logsource's rules are taken
    evenly spread over the order, so that originals and copies have their shares too.
    """
    by_logsource: dict[tuple[str, ...], list[int]] = {}
    for place, rule in enumerate(rules):
        key = tuple(str(rule["logsource"].get(part, "")) for part in LOGSOURCE_KEYS)
        by_logsource.setdefault(key, []).append(place)
    spare = count - len(by_logsource)
    others = len(rules) - len(by_logsource)
    shares = {key: 1 + spare * (len(some) - 1) / others for key, some in by_logsource.items()}
    taken = {key: int(share) for key, share in shares.items()}
    left = count - sum(taken.values())
    for key in sorted(shares, key=lambda each: (taken[each] - shares[each], each))[:left]:
        taken[key] += 1
    places = [
        some[number * len(some) // taken[key]]
        for key, some in by_logsource.items()
        for number in range(taken[key])
    ]
    return [rules[place] for place in sorted(places)]


class _Words:
    """Words that nobody has written, of letters that follow each other as in those of some texts."""

    def __init__(self, texts: Iterable[str]):
        after: dict[str, Counter[str]] = {}
        for text in texts:
            for word in _WORD.findall(text):
                for letter, following in itertools.pairwise(word.lower()):
                    after.setdefault(letter, Counter())[following] += 1
        self._after = {
            letter: (list(counts), list(itertools.accumulate(counts.values())))
            for letter, counts in after.items()
        }
        self._letters = sorted(self._after)

    def another(self, word: str, chance: random.Random) -> str:
        """A word of the length and case of one, or of six letters where that is shorter: else some would be twice."""
        letters = [chance.choice(self._letters)]
        while len(letters) < max(len(word), 6):
            following, frequencies = self._after.get(letters[-1], (self._letters, None))
            letters += chance.choices(following, cum_weights=frequencies)
        made = "".join(letters)
        return made.upper() if word.isupper() else made.title() if word[0].isupper() else made


def _copy(rule: dict[str, Any], number: int, words: _Words) -> dict[str, Any] | None:
    """The rule with other values; None where it has none that could be others."""
    chance = random.Random(f"{rule['id']} {number}")

    def mutated(value: Any, word: re.Pattern[str]) -> Any:
        if isinstance(value, int) and not isinstance(value, bool):
            return value + 100_000 * number
        places = list(word.finditer(value)) if isinstance(value, str) else []
        if not places:
            return value
        found = chance.choice(places)
        return value[: found.start()] + words.another(found[0], chance) + value[found.end() :]

    def change(value: Any) -> Any:
        changes = isinstance(value, str) and chance.random() < 0.5
        return mutated(value, _WORD) if changes else value

    detection = _varied_detection(rule["detection"], change, _FIXED)
    waiting = detection == rule["detection"]
    for word, fixed in ((_WORD, _FIXED), (_LITERAL_WORD, _NO_WORD)):

        def change_first(value: Any, word: re.Pattern[str] = word) -> Any:
            nonlocal waiting
            made = mutated(value, word) if waiting else value
            waiting = waiting and made == value
            return made

        detection = _varied_detection(detection, change_first, fixed)
    if waiting:
        return None
    identity = str(uuid.uuid5(uuid.NAMESPACE_OID, f"{rule['id']} {number}"))
    return {**rule, "title": f"{rule['title']} {number}", "id": identity, "detection": detection}


def _varied_detection(
    detection: dict[str, Any], change: Callable[[Any], Any], fixed: re.Pattern[str]
) -> dict[str, Any]:
    return {
        name: inner if name in ("condition", "timeframe") else _varied(inner, change, fixed)
        for name, inner in detection.items()
    }


def _varied(value: Any, change: Callable[[Any], Any], fixed: re.Pattern[str]) -> Any:
    """A value with its texts and numbers changed, those of items whose modifiers are `fixed` apart."""
    if isinstance(value, dict):
        return {
            name: inner if fixed.search(name) else _varied(inner, change, fixed)
            for name, inner in value.items()
        }
    if isinstance(value, list):
        return [_varied(inner, change, fixed) for inner in value]
    return change(value)


def _texts(value: Any) -> Iterator[str]:
    """Every text of a value, keys apart."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, (list, dict)):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _texts(inner)
