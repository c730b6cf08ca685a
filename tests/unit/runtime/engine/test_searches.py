"""What is searched in raw bytes is found wherever it stands, and what a search cannot judge goes the long way."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random

import pytest

from sigmac.runtime.engine import layout
from tests.unit.packs import make_pack, rule
from tests.unit.runtime.engine.agreement import agreed

WORDS = ("kiwi", "lsass", "mimikatz", "sekurlsa::", "logonpasswords", "eventconsumer of wmi")
ODD_NUMBERS = (b"1.5e-05", b"1E2", b"-0", b"1.0000000000000000001", b"123456789012345678901234")


@pytest.mark.parametrize("least", range(len(WORDS)))
def test_keywords_are_found_at_every_place(tmp_path: Path, least: int) -> None:
    words = WORDS[least:]
    pack = make_pack("---\n".join(rule(f"k: ['{w}']\ncondition: k") for w in words), tmp_path)
    lines = []
    for word in words:
        for before in range(20):
            texts = (word, word.upper(), word[:-1] + "_", word[1:])
            lines += [f'{{"{"k" * before}": "{"." * before}{text}{"," * 9}"}}' for text in texts]
    pairs, _, _ = agreed(pack, "\n".join(lines).encode())
    assert len(pairs) == 2 * 20 * len(words)
    agreed(pack, b"\n".join(b'{"x": ["%s"], "y": 1}' % w.encode() for w in words))


def test_keywords_in_keys_and_across_values_do_not_count(tmp_path: Path) -> None:
    pack = make_pack(rule("k: ['kiwi', 'ab\",\"c']\ncondition: k"), tmp_path)
    pairs, _, _ = agreed(pack, b'{"kiwi":1}\n{"x":"ab","c":2}\n{"x":["ki","wi"]}\n{"x":"a kiwi"}')
    assert pairs == [(3, 0)]


def test_numbers_are_searched_for_what_numbers_can_hold(tmp_path: Path) -> None:
    rules = [rule(f"k: ['{w}']\ncondition: k") for w in ("e-05", "100", "mimikatz", "0.")]
    pack = make_pack("---\n".join(rules), tmp_path)
    records = b"\n".join(b'{"a": %s, "b": [%s, "mimikatz"]}' % (n, n) for n in ODD_NUMBERS)
    pairs, _, _ = agreed(pack, records)
    assert {rule for _, rule in pairs} == {0, 1, 2}


def test_numbers_that_hold_no_word_are_not_parsed(tmp_path: Path) -> None:
    pack = make_pack(rule("k: ['mimikatz']\ns: {A: ['evil', '12']}\ncondition: k or s"), tmp_path)
    agreed(pack, b"\n".join(b'{"a": %s, "b": "x"}' % number for number in ODD_NUMBERS))
    assert pack.engine_counts()["undecided"] == 0
    agreed(pack, b"\n".join(b'{"A": %s}' % number for number in ODD_NUMBERS))
    assert pack.engine_counts()["undecided"] == len(ODD_NUMBERS)


def made_up(made: Random, count: int, least: int, most: int) -> list[str]:
    """Words that resemble each other, and hold what JSON escapes."""
    letters = 'aabcdeE ./-"\\'
    words = {"".join(made.choices(letters, k=made.randint(least, most))) for _ in range(count)}
    return sorted(word for word in words if word.strip())


def planted(made: Random, words: list[str]) -> str:
    """Words and parts of words between other characters."""
    parts = []
    for _ in range(made.randint(1, 12)):
        word = made.choice(words)
        first = made.choice([0, 0, 1])
        parts.append(word[first : len(word) - made.choice([0, 0, 1])].swapcase())
        parts.append("".join(made.choices("abcde 0\n\\é", k=made.randint(0, 9))))
    return "".join(parts)


# How many words, and how long: few are told by windows, many by grams, of three or four bytes, at every few places.
SETS = [(3, 2, 3), (10, 2, 20), (40, 4, 9), (90, 9, 30), (300, 2, 8), (400, 5, 6), (700, 12, 40)]


@pytest.mark.parametrize(("count", "least", "most"), SETS)
def test_every_search_finds_what_is_there(
    tmp_path: Path, count: int, least: int, most: int
) -> None:
    made = Random(count)
    words = made_up(made, count, least, most)
    # Rules of several logsources, so that there are several searches, one of which is extended.
    chosen = {
        "security": words,
        "system": words[: len(words) // 2],
        "application": words[len(words) // 3 :],
    }
    rules = [
        rule(f"k: {json.dumps(some)}\ncondition: k", name, f"product: windows, service: {name}")
        for name, some in chosen.items()
    ]
    rules += [rule(f"k: {json.dumps([word])}\ncondition: k") for word in words[::7]]
    pack = make_pack("---\n".join(rules), tmp_path, pipelines=("windows",))
    for _ in range(8):
        events = [
            {
                "Channel": made.choice(["Security", "System", "Application", "Other"]),
                "A": planted(made, words),
                "B": [planted(made, words)],
            }
            for _ in range(200)
        ]
        agreed(pack, "\n".join(map(json.dumps, events)).encode())
    assert pack.engine_counts()["fallbacks"] == 0


@pytest.mark.parametrize(("count", "least", "most"), SETS[1:])
def test_a_long_text_is_searched_for_what_opens_gates(
    tmp_path: Path, count: int, least: int, most: int
) -> None:
    made = Random(count)
    words = [word for word in made_up(made, count, max(least, 3), most) if word.isascii()]
    rules = [
        rule(
            f"s: {{'T|{how}': {json.dumps(word)}}}\nf: {{'T|contains': 'x y'}}\ncondition: s and not f"
        )
        for word in words
        for how in [made.choice(["contains", "startswith", "endswith"])]
    ]
    pack = make_pack("---\n".join(rules), tmp_path)
    for number in range(8):
        texts = [f"{planted(made, words)}{made.getrandbits(40):x}{'.' * 250}" for _ in range(300)]
        texts += [text[::-1] + made.choice(words) for text in texts[::5]]
        agreed(pack, "\n".join(json.dumps({"T": text, "N": number}) for text in texts).encode())
    engines = pack.engines()
    assert engines is not None
    (engine,) = engines.all
    field = engines.tables.numbers["T"]
    assert engine.caches.memo.policy[field] & layout.FORGET
    assert engine.caches.searches.of_field[field] > 0
