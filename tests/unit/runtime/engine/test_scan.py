"""Keys are found in tables, strings are indexed in blocks: neither may change what a record says."""

from __future__ import annotations

import itertools
from random import Random

import pytest

from sigmac.runtime import Pack
from tests.unit.packs import make_pack, rule
from tests.unit.runtime.engine.agreement import agreed

LONG = "k" * 62
KEYS = ("A", "AB", "A.B", "B", LONG, LONG + "k", LONG + "kk", LONG * 2, "é", r"\u0041", "C")


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Pack:
    fields = ("A", "AB", "A.B", "B", LONG, LONG + "k", LONG + "kk", LONG * 2, "é")
    rules = [rule(f"s: {{'{name}': x}}\ncondition: s", name) for name in fields]
    backslash = rule("s: {'V|endswith': '\\'}\nq: {'V|contains': '\"'}\ncondition: s or q", "V")
    return make_pack("---\n".join([*rules, backslash]), tmp_path_factory.mktemp("scan"))


def test_keys_in_any_order_and_at_any_depth(pack: Pack) -> None:
    made = Random(5)
    lines = []
    for _ in range(2000):
        keys = made.sample(KEYS, made.randint(1, 6))
        pairs = [f'"{key}": {made.choice(["1", "null"])}' for key in keys[1:]]
        pairs.append(f'"{keys[0]}": "x"')
        made.shuffle(pairs)
        text = "{" + ", ".join(pairs) + "}"
        lines.append(made.choice([text, f'{{"A": {text}}}', f'{{"B": [{text}, {text}]}}']))
    agreed(pack, "\n".join(lines).encode())


def test_a_key_that_begins_like_the_one_before(pack: Pack) -> None:
    lines = ['{"A": "x"}', '{"A', '{"A"', '{"A" : "x"}', '{"AB": "x"}', '{"A": "x", "A": "y"}']
    agreed(pack, "\n".join(a + "\n" + b for a, b in itertools.product(lines, lines)).encode())


def test_runs_of_backslashes_around_the_ends_of_blocks(pack: Pack) -> None:
    lines = []
    for before, run in itertools.product((*range(8), *range(56, 72), *range(120, 136)), range(6)):
        for after in ("", '"', "n", "x", "/", "u0041", "u00", "\u00e9", "\u0001"):
            lines.append(f'{{"V": "{"." * before}{chr(92) * run}{after}"}}')
            lines.append(f'{{"V": "{"." * before}{chr(92) * run}{after}", "A": "x"}}')
            lines.append(f'{{"V": "{chr(92) * 64}{"." * before}{chr(92) * run}{after}{"," * 70}"}}')
    _, rejected, records = agreed(pack, "\n".join(lines).encode())
    assert records > 1000
    assert len(rejected) > 1000
