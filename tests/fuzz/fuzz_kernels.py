"""A coverage-guided fuzzer: whatever the bytes, the batch engine says what the scalar path and `orjson` say of them.

    python -m tests.fuzz.fuzz_kernels [-max_total_time=60] [-runs=N] [-seed=N] [FILE ...]

Machine code shows a fuzzer of Python no coverage. So atheris instruments the kernels' Python twins, which also refuse
every index that is out of range; the compiled kernels are given each input besides. Options are libFuzzer's; with
files, only these are tried. What reached something new is kept in `.cache/fuzz/corpus` and tried first the next time.
An input that shows a difference is written to `.cache/fuzz`, and the exit status is not 0.
"""

from __future__ import annotations

import hashlib
import importlib
import os
import pkgutil
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from types import FunctionType, ModuleType

import orjson

from tests.fuzz.shapes import small_shapes

HERE = Path(__file__).parent
CACHE = Path(".cache/fuzz")
RULES = HERE.parent / "unit/runtime/engine/rules"
# Bytes; the caches of the second are full after a few values.
BUDGETS = (1 << 18, 1 << 12)
MOST_VALUES = 50  # of a record, so that an input can have more
TOO_MANY = f"the record has more than {MOST_VALUES} values"
MOST_BYTES = 600  # of an input
OPTIONS = (
    f"-max_len={MOST_BYTES}",
    "-timeout=60",
    f"-dict={HERE / 'json.dict'}",
    f"-artifact_prefix={CACHE}/",
)


def is_object(text: bytes) -> bool:
    """Whether a strict parser takes this for a JSON object."""
    try:
        return isinstance(orjson.loads(text), dict)
    except orjson.JSONDecodeError:
        return False


def wrongly_taken(data: bytes, rejected: Iterable[int]) -> list[int]:
    """The lines that are rejected although they are objects, or taken although they are none."""
    lines = data.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    full = [i for i, line in enumerate(lines) if line.strip(b" \t\r")]
    return sorted(set(rejected) ^ {i for i in full if not is_object(lines[i])})


def make_check(folder: Path) -> Callable[[bytes], None]:
    """What raises `AssertionError` for a batch of which two ways say different things; `folder` is for its pack."""
    from sigmac.runtime.engine import layout
    from sigmac.runtime.engine import memory as caches
    from sigmac.runtime.engine.batch import Engine
    from sigmac.runtime.engine.machine_code.choice import find_kernels
    from sigmac.runtime.engine.pool import Engines
    from sigmac.runtime.pack.pack import load_pack
    from tests.unit.packs import write_text_pack
    from tests.unit.runtime.engine.agreement import said
    from tests.unit.runtime.engine.twins import twin_kernels

    caches.LEAST_BUDGET = min(BUDGETS)
    caches._seed = lambda: 1  # the same input does the same in every run
    rules = "\n---\n".join(file.read_text("utf-8") for file in sorted(RULES.iterdir()))
    written = write_text_pack(rules, folder, pipelines=("windows",))
    pack = load_pack(written, max_values=MOST_VALUES)
    twins, compiled = twin_kernels(), find_kernels()
    tables = Engines(pack.dispatch, pack.tables, twins, min(BUDGETS), 1).tables
    kept = (
        [Engine(pack.dispatch, tables, compiled, budget) for budget in BUDGETS] if compiled else []
    )
    if not kept:
        print("There are no compiled kernels here: only their twins are tried.", file=sys.stderr)

    def check(data: bytes) -> None:
        expected = said(pack.match_each(data))
        no_objects = [i for i, _, reason in expected[1] if reason != TOO_MANY]
        wrong = wrongly_taken(data, no_objects)
        assert not wrong, f"orjson and the scalar path differ in lines {wrong}"
        fresh, tiny = (Engine(pack.dispatch, tables, twins, budget) for budget in BUDGETS)
        learnt = Engine(pack.dispatch, tables, twins, BUDGETS[0])
        learnt.caches.memo.policy[:] = layout.DEFER | layout.FORGET
        for way, engine in {
            "twins": fresh,
            "twins that have seen it": fresh,
            "twins of a tiny budget": tiny,
            "twins that have learnt that no value repeats": learnt,
            "twins that search for what rules look for": learnt,
            **{f"compiled kernels, {engine.caches.budget} bytes": engine for engine in kept},
        }.items():
            found = said(engine.match_batch(data, -1))
            assert found == expected, f"{way}: {found}; the scalar path: {expected}"

    return check


def kernel_modules() -> list[ModuleType]:
    """The modules that a fuzzer should see the inside of."""
    from sigmac.runtime.engine import kernels

    return [
        importlib.import_module(f"{kernels.__name__}.{found.name}")
        for found in pkgutil.iter_modules(kernels.__path__)
    ]


def write_seeds(folder: Path) -> None:
    """The records that other tests have and hostile shapes, one file each, for the fuzzer to begin with."""
    from tests.unit.runtime.engine.records import read_records

    folder.mkdir(parents=True, exist_ok=True)
    for record in (*read_records(), *small_shapes()):
        if len(record) < MOST_BYTES:
            (folder / hashlib.sha256(record).hexdigest()[:16]).write_bytes(record)


def main(arguments: list[str]) -> None:
    """Fuzz until libFuzzer's options say that it is enough; it ends the process."""
    os.environ["NUMBA_DISABLE_JIT"] = "1"
    import atheris
    import numpy as np

    np.seterr(over="ignore")  # hashes wrap around
    check = make_check(CACHE / "pack")
    for module in kernel_modules():
        for each in vars(module).values():
            if isinstance(each, FunctionType) and each.__module__ == module.__name__:
                atheris.instrument_func(each)
    if all(each.startswith("-") for each in arguments):
        write_seeds(CACHE / "seeds")
        (CACHE / "corpus").mkdir(exist_ok=True)
        arguments = [*arguments, str(CACHE / "corpus"), str(CACHE / "seeds")]
    atheris.Setup([sys.argv[0], *OPTIONS, *arguments], check)
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1:])
