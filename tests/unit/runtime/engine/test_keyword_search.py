"""The raw search for keywords finds them wherever they stand, and what it cannot judge goes the long way."""

from __future__ import annotations

from pathlib import Path

import pytest

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
