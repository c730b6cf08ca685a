"""A fuzzer of sealed packs: whatever an array or the manifest says, the pack answers or is refused with `PackError`.

    python -m tests.fuzz.fuzz_packs [-runs=10000] [-first=0]

Each mutant is a pack with one part changed and sealed again, made from its number alone. It is loaded, looked into and
asked about awkward records and hostile shapes, by the scalar path and by the batch engine, in a process that takes one
mutant after the other: a signal ends that process and is seen, a hang ends it by an alarm, memory has a limit. It
prints what came of how many; a mutant that ended in anything else is named with its number, and the exit status is 1.
"""

from __future__ import annotations

import faulthandler
import io
import re
import resource
import signal
import subprocess
import sys
import tempfile
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sigmac.runtime import PackError, load_pack
from sigmac.runtime.pack.checked_arrays import load_arrays
from sigmac.runtime.pack.contents import read_contents
from sigmac.runtime.pack.seal import MANIFEST, read_files, read_manifest, render_manifest, sha256
from tests.fuzz.fuzz_kernels import MOST_BYTES, RULES
from tests.fuzz.shapes import small_shapes
from tests.unit.packs import rule, write_text_pack
from tests.unit.runtime.engine.records import read_records

Arrays = dict[str, NDArray[Any]]
Files = dict[str, bytes]
SECONDS = 20  # for one mutant
# All kinds of questions, and a rule with a second gate
TEXT = "\n---\n".join(
    [
        *(file.read_text("utf-8") for file in sorted(RULES.iterdir())),
        rule("s: {Left: one}\nt: {Right: two}\ncondition: s and t", "Second gate"),
    ]
)
_MEMORY = 3 << 30  # bytes, beyond what the process has reserved
_TABLES = "tables.npz"
_EVERY = 3  # of how many mutants one has another manifest


# Mutants


def mutant(number: int, files: Files, manifest: dict[str, Any]) -> tuple[str, Files, Any]:
    """What is changed, the files, and the manifest of a mutant of a pack."""
    random = Random(number)
    if number % _EVERY == 0:
        key = random.choice(sorted(manifest))
        change = random.choice(_MANIFEST_CHANGES)
        content = {**manifest, key: change(manifest[key], random)}
        if content[key] is _GONE:
            del content[key]
        return f"manifest {key}: {change.__name__}", files, content
    name = random.choice(sorted(load_arrays(files[_TABLES])))
    change_array = random.choice(_ARRAY_CHANGES)
    arrays: Arrays = {**load_arrays(files[_TABLES])}
    with np.errstate(all="ignore"):
        arrays[name] = change_array(arrays[name], random)
    tables = io.BytesIO()
    with zipfile.ZipFile(tables, "w") as archive:
        for each, array in arrays.items():
            data = io.BytesIO()
            np.lib.format.write_array(data, array, allow_pickle=False)
            # Without a time of its own: a mutant is the same whenever it is made.
            archive.writestr(zipfile.ZipInfo(f"{each}.npy"), data.getvalue())
    changed = {**files, _TABLES: tables.getvalue()}
    listed = {**manifest["files"], _TABLES: sha256(changed[_TABLES])}
    return f"{name}: {change_array.__name__}", changed, {**manifest, "files": listed}


def _place(array: NDArray[Any], random: Random) -> tuple[NDArray[Any], int]:
    made = array.copy()
    return made, random.randrange(made.size) if made.size else -1


def largest(array: NDArray[Any], random: Random) -> NDArray[Any]:
    made, at = _place(array, random)
    made.flat[at:] = np.iinfo(made.dtype).max
    return made


def one_largest(array: NDArray[Any], random: Random) -> NDArray[Any]:
    made, at = _place(array, random)
    made.flat[at : at + 1] = np.iinfo(made.dtype).max
    return made


def one_smallest(array: NDArray[Any], random: Random) -> NDArray[Any]:
    made, at = _place(array, random)
    made.flat[at : at + 1] = np.iinfo(made.dtype).min
    return made


def one_off(array: NDArray[Any], random: Random) -> NDArray[Any]:
    made, at = _place(array, random)
    made.flat[at : at + 1] += np.array(random.choice((-3, -1, 1, 2, 5, 16))).astype(made.dtype)
    return made


def swapped(array: NDArray[Any], random: Random) -> NDArray[Any]:
    made, at = _place(array, random)
    if at >= 0:
        other = random.randrange(made.size)
        made.flat[[at, other]] = made.flat[[other, at]]
    return made


def halved(array: NDArray[Any], random: Random) -> NDArray[Any]:
    return array[: len(array) // 2]


def one_less(array: NDArray[Any], random: Random) -> NDArray[Any]:
    return array[:-1]


def doubled(array: NDArray[Any], random: Random) -> NDArray[Any]:
    return np.concatenate([array, array])


def emptied(array: NDArray[Any], random: Random) -> NDArray[Any]:
    return array[:0]


def shuffled(array: NDArray[Any], random: Random) -> NDArray[Any]:
    return np.random.default_rng(random.randrange(1 << 30)).permutation(array.copy())


def reversed_(array: NDArray[Any], random: Random) -> NDArray[Any]:
    return array[::-1].copy()


def filled(array: NDArray[Any], random: Random) -> NDArray[Any]:
    limits = np.iinfo(array.dtype)
    rng = np.random.default_rng(random.randrange(1 << 30))
    return rng.integers(limits.min, limits.max, array.shape, array.dtype, endpoint=True)


def filled_with_its_own(array: NDArray[Any], random: Random) -> NDArray[Any]:
    """Numbers that may stand there, at other places."""
    if not array.size:
        return array
    rng = np.random.default_rng(random.randrange(1 << 30))
    return np.stack(
        [rng.choice(column, len(array)) for column in array.reshape(len(array), -1).T], -1
    ).reshape(array.shape)


def of_another_type(array: NDArray[Any], random: Random) -> NDArray[Any]:
    kinds = (
        "<i8",
        "<i4",
        "<u4",
        "<u8",
        "|u1",
        "|i1",
        "<i2",
        ">i4",
        ">i8",
        "<f8",
        "|b1",
        "<c16",
        "|S4",
    )
    return array.astype(random.choice([each for each in kinds if each != array.dtype.str]))


def of_another_shape(array: NDArray[Any], random: Random) -> NDArray[Any]:
    if array.ndim == 2:
        return random.choice((array.reshape(-1), np.asfortranarray(array), array[:, :-1]))
    return array.reshape(-1, 1)


def a_number(array: NDArray[Any], random: Random) -> NDArray[Any]:
    return np.array(random.randrange(5), array.dtype)


_ARRAY_CHANGES: tuple[Callable[[NDArray[Any], Random], NDArray[Any]], ...] = (
    *(largest, one_largest, one_smallest, one_off, one_off, one_off, swapped, swapped, halved),
    *(one_less, doubled, emptied, shuffled, reversed_, filled, filled_with_its_own),
    *(of_another_type, of_another_shape, a_number),
)
_GONE: Any = object()
_VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 1.0, 1e308, "", "x", "\x1b[31m", "../x", [], {}, [None]),
    *([[]], {"": ""}, [["", "", ""]], ["nope.py"], ["__init__.py"], "9" * 5000, ["a b"], [0]),
)


def dropped(value: Any, random: Random) -> Any:
    return _GONE


def another_value(value: Any, random: Random) -> Any:
    return random.choice(_VALUES)


def fewer(value: Any, random: Random) -> Any:
    if isinstance(value, dict):
        return dict(random.sample(sorted(value.items()), len(value) // 2))
    return value[: len(value) // 2] if isinstance(value, list | str) else -1


def more(value: Any, random: Random) -> Any:
    if isinstance(value, dict):
        return {**value, random.choice(("x.py", "../x", "", "a\0b", "rules.py/x")): "0" * 64}
    return value + value if isinstance(value, list | str) else 2


def mixed(value: Any, random: Random) -> Any:
    if isinstance(value, dict):
        return dict(zip(value, random.sample([*value.values()], len(value)), strict=True))
    return random.sample(value, len(value)) if isinstance(value, list) else [value]


def one_other(value: Any, random: Random) -> Any:
    """A list or map with another value at one place."""
    if isinstance(value, dict) and value:
        return {**value, random.choice(sorted(value)): random.choice(_VALUES)}
    if isinstance(value, list) and value:
        at = random.randrange(len(value))
        others = (*_VALUES, *value, "Rule", "class", "Event", "__name__")
        return [*value[:at], random.choice(others), *value[at + 1 :]]
    return random.choice(_VALUES)


_MANIFEST_CHANGES = (dropped, another_value, fewer, more, mixed, one_other, one_other, one_other)


# What is done with a mutant


def write(folder: Path, files: Files, manifest: Any) -> None:
    """Put a pack into a folder, sealed."""
    for name in (_TABLES, "rules.py"):
        (folder / name).write_bytes(files[name])
    (folder / MANIFEST).write_bytes(render_manifest(manifest))


def ask(folder: Path, data: bytes) -> str:
    """Do with a pack all that is done with packs; what came of it."""
    read_contents(folder)
    try:
        pack = load_pack(folder, memory_budget=1 << 18)
    except PackError:
        return "refused at load"
    try:
        pack.match_each(data)
        pack.warm()
        pack.match_batch(data)
        for event in ({}, {"A": "evil", "N": 5}):
            for match in pack.match(event, explain=True):
                match.rule.on_the_wire()
        repr((pack, pack.rules[:]))
    except PackError:
        return "refused in use"
    return "answers"


def work(base: Path, folder: Path, first: int, last: int) -> None:
    """Try the mutants of a pack from `first` up to `last`; a line each says what came of it."""
    faulthandler.enable()  # a signal says where it came from
    manifest, _ = read_manifest(base)
    files = read_files(base, manifest)
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    awkward = (*read_records(), *small_shapes())
    records = [record for record in awkward if len(record) < MOST_BYTES]
    data = b"\n".join([*records, b'{"A":"evil keyword","N":5}', *records[:1]])
    write(folder, files, manifest)
    assert ask(folder, data) == "answers"
    reserved = int(Path("/proc/self/statm").read_text("ascii").split()[0])
    limit = reserved * resource.getpagesize() + _MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    for number in range(first, last):
        what, changed, content = mutant(number, files, manifest)
        print(f"{number}\t{what}", end="\t", flush=True)
        signal.alarm(SECONDS)
        write(folder, changed, content)
        print(ask(folder, data), flush=True)
        signal.alarm(0)


# The run


_CODE = (
    "import sys; from pathlib import Path; from tests.fuzz.fuzz_packs import work;"
    "work(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))"
)


def outcomes(base: Path, first: int, last: int) -> Iterator[tuple[int, str, str]]:
    """Number, change and outcome of each mutant; a process that ends is started again behind the one that ended it."""
    while first < last:
        begun = ""
        with tempfile.TemporaryDirectory(dir=base.parent) as folder:
            command = [sys.executable, "-c", _CODE, str(base), folder, str(first), str(last)]
            with (
                tempfile.TemporaryFile("w+") as said,
                subprocess.Popen(
                    command, stdout=subprocess.PIPE, stderr=said, text=True
                ) as process,
            ):
                assert process.stdout is not None
                for line in process.stdout:
                    begun = line
                    if line.endswith("\n"):
                        number, what, outcome = line[:-1].split("\t", 2)
                        first, begun = int(number) + 1, ""
                        yield int(number), what, outcome
                status = process.wait()
                said.seek(0)
                trace = said.read()
        if status:
            if not begun:
                raise RuntimeError(f"the process that tries mutants fails by itself: {trace}")
            number, what, _ = begun.split("\t", 2)
            first = int(number) + 1
            ended = f"the process ended with {status}: {trace}"
            yield int(number), what, "a hang" if status == -signal.SIGALRM else ended


def make_base(folder: Path) -> Path:
    """A pack of all kinds of questions."""
    return write_text_pack(TEXT, folder, pipelines=("windows",))


GOOD = ("answers", "refused at load", "refused in use")


def main(arguments: list[str]) -> int:
    """Try as many mutants as asked, print what came of them; 1 where some ended otherwise than they may."""
    options = {"runs": 10_000, "first": 0}
    for each in arguments:
        if found := re.fullmatch(r"-(runs|first)=(\d+)", each):
            options[found[1]] = int(found[2])
    first, last = options["first"], options["first"] + options["runs"]
    counts: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        base = make_base(Path(folder))
        for number, what, outcome in outcomes(base, first, last):
            counts[outcome if outcome in GOOD else "faults"] += 1
            if outcome not in GOOD:
                print(f"mutant {number} ({what}): {outcome}")
    print(", ".join(f"{counts[each]:,} {each}" for each in (*GOOD, "faults")))
    return int(counts["faults"] > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
