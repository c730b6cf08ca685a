"""Each hostile shape of records, at several sizes: the reference, the scalar path and the engine take it alike."""

from __future__ import annotations

from pathlib import Path
from random import Random

import orjson
import pytest

from sigmac.compiler.meaning import reference
from sigmac.compiler.syntax.rule import Rule
from sigmac.runtime import load_pack
from tests.fuzz.fuzz_batch import RULES
from tests.fuzz.fuzz_kernels import is_object, wrongly_taken
from tests.fuzz.shapes import SHAPES, Shape
from tests.property.test_pack_equivalence import variants_of
from tests.unit.packs import write_text_pack
from tests.unit.runtime.engine.agreement import agreed, said

SIZES = (0, 1, 3, 70, 100, 500, 8_000, 16_000)
MOST_BY_REFERENCE = 8_000  # it takes seconds for larger ones
TOO_MANY = "the record has more than 16,384 values"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_text_pack(RULES, tmp_path_factory.mktemp("shapes"))


@pytest.fixture(scope="module")
def rules() -> list[Rule]:
    return [rule for variants in variants_of(RULES.encode(), ()).values() for rule in variants]


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.__name__)
def test_every_path_takes_it_alike(shape: Shape, folder: Path, rules: list[Rule]) -> None:
    pack = load_pack(folder)  # it remembers nothing of other shapes
    for size in SIZES:
        data = shape(Random(size), size)
        pairs, rejected, records = first = agreed(pack, data)
        assert said(pack.match_batch(data)) == first  # by caches that know it
        too_many = {record for record, _, reason in rejected if reason == TOO_MANY}
        assert not wrongly_taken(data, {record for record, *_ in rejected} ^ too_many)
        lines = data.removeprefix(b"\xef\xbb\xbf").split(b"\n")
        events = {i: orjson.loads(line) for i, line in enumerate(lines) if is_object(line)}
        assert records == len(events.keys() - too_many)
        if size > MOST_BY_REFERENCE:
            continue
        assert pairs == [
            (i, index)
            for i, event in events.items()
            if i not in too_many
            for index, rule in enumerate(rules)
            if reference.matches(rule, event)
        ]
