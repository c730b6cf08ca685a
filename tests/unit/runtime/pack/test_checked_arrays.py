"""Tables whose numbers count beyond what they count are refused, whichever array it is."""

from __future__ import annotations

import contextlib
import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
from numpy.typing import NDArray

from sigmac.runtime import PackError
from sigmac.runtime.pack.checked_arrays import Sizes, check_arrays, load_arrays
from sigmac.runtime.pack.parts import read_tables
from tests.fuzz.fuzz_packs import TEXT
from tests.unit.packs import compile_text

Arrays = dict[str, NDArray[Any]]
# Arrays of which every number is an index, a place or an end. Of the others (and of lines) not every number is wrong.
INDEXED = (
    *("comparisons", "gate_ends", "gate_rules", "gates", "literals", "networks", "numeric_fields"),
    *("pairs", "program_ends", "program_fields", "regex_ends", "regex_literals", "regexes"),
    *("rule_field_ends", "rule_fields", "second_gate_ends", "second_gate_rules", "second_gates"),
    *("single", "string_ends", "value_questions"),
)


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    made = compile_text(TEXT, tmp_path_factory.mktemp("rules"), pipelines=("windows",))
    return made.rendered


@pytest.fixture(scope="module")
def manifest(rendered: dict[str, bytes]) -> dict[str, Any]:
    content: dict[str, Any] = orjson.loads(rendered["manifest.json"])
    return content


@pytest.fixture
def arrays(rendered: dict[str, bytes]) -> Arrays:
    return load_arrays(rendered["tables.npz"])


@pytest.fixture
def sizes(manifest: dict[str, Any]) -> Sizes:
    return Sizes(
        *(len(manifest[key]) for key in ("rules", "modules", "logsource_functions")),
    )


def archive(arrays: Arrays, **options: Any) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as file:
        for name, array in arrays.items():
            data = io.BytesIO()
            np.lib.format.write_array(data, array, allow_pickle=True, **options)
            file.writestr(f"{name}.npy", data.getvalue())
    return made.getvalue()


def test_what_the_compiler_writes_is_sound(arrays: Arrays, sizes: Sizes) -> None:
    check_arrays(arrays, sizes)
    assert {name for name, array in arrays.items() if not len(array)} <= {"rare_fields"}


@pytest.mark.parametrize("name", INDEXED)
@pytest.mark.parametrize("extreme", ["min", "max"])
def test_no_number_counts_beyond_its_array(
    arrays: Arrays, sizes: Sizes, name: str, extreme: str
) -> None:
    for at in range(arrays[name].size):
        changed = arrays[name].copy()
        changed.flat[at] = getattr(np.iinfo(changed.dtype), extreme)
        with pytest.raises(PackError):
            check_arrays({**arrays, name: changed}, sizes)


@pytest.mark.parametrize("name", ["string_ends", "gate_ends", "program_ends", "rule_field_ends"])
def test_ends_ascend_to_the_end_of_what_they_cut(arrays: Arrays, sizes: Sizes, name: str) -> None:
    for changed in (arrays[name][:-1], arrays[name][::-1], arrays[name] - 1, arrays[name] + 1):
        with pytest.raises(PackError):
            check_arrays({**arrays, name: changed}, sizes)


def test_the_arrays_are_those_of_a_pack(arrays: Arrays) -> None:
    for name, array in arrays.items():
        without = {key: each for key, each in arrays.items() if key != name}
        for changed in (without, {**arrays, f"{name}_": array}):
            with pytest.raises(PackError, match="other arrays"):
                load_arrays(archive(changed))
        for other in ("<i8", "<i4", "|u1", ">i4", "<f8", "|b1", "|S4", "|O"):
            if other != array.dtype.str:
                with pytest.raises(PackError, match=f"damaged: {name} "):
                    load_arrays(archive({**arrays, name: array.astype(other)}))
        shapes = [array.reshape(*array.shape, 1), array[0] if len(array) else array.reshape(1, -1)]
        shapes += (
            [np.asfortranarray(array), array.reshape(-1)] if array.ndim > 1 < len(array) else []
        )
        for odd in shapes:
            with pytest.raises(PackError):
                load_arrays(archive({**arrays, name: odd}))


def test_a_text_is_whole_characters(arrays: Arrays, sizes: Sizes) -> None:
    text = arrays["strings"].copy()
    text[0] = 0xFF
    with pytest.raises(PackError, match="UTF-8"):
        check_arrays({**arrays, "strings": text}, sizes)
    inside = np.flatnonzero(arrays["strings"] & 0xC0 == 0x80)
    assert len(inside)
    ends = arrays["string_ends"].copy()
    which = int(np.searchsorted(ends, inside[0]))
    ends[which] = inside[0]
    with pytest.raises(PackError):
        check_arrays({**arrays, "string_ends": ends}, sizes)


def test_literals_that_are_one_long_text_many_times_are_bounded(
    arrays: Arrays, sizes: Sizes
) -> None:
    """A small file must not ask for automata of more states than their numbers can tell apart."""
    count, size = 1 << 16, 1 << 14
    field, _ = arrays["literals"][-1].tolist()
    rows = np.full((count, 2), (field, len(arrays["string_ends"])), np.int32)
    changed = {
        **arrays,
        "strings": np.concatenate([arrays["strings"], np.full(size, 97, np.uint8)]),
        "string_ends": np.append(arrays["string_ends"], len(arrays["strings"]) + size),
        "literals": np.concatenate([arrays["literals"], rows]),
        "literal_asked": np.concatenate([arrays["literal_asked"], np.ones(count, np.uint8)]),
    }
    with pytest.raises(PackError, match="longer in all"):
        check_arrays(changed, sizes)


@pytest.mark.parametrize(
    "data",
    [b"", b"PK", b"PK\x05\x06" + bytes(18), b"x" * 1000],
    ids=["nothing", "a beginning", "an empty archive", "no archive"],
)
def test_what_is_no_archive_is_refused(data: bytes) -> None:
    with pytest.raises(PackError):
        load_arrays(data)


def test_no_byte_of_an_archive_makes_another_error(rendered: dict[str, bytes]) -> None:
    data = bytearray(rendered["tables.npz"])
    directory = data.rindex(b"PK\x01\x02")
    for at in (*range(80), *range(directory, len(data))):
        for bit in (1, 8, 128):
            data[at] ^= bit
            with contextlib.suppress(PackError):
                load_arrays(bytes(data))
            data[at] ^= bit


@pytest.mark.parametrize(
    "change",
    [
        {"rules": []},
        {"modules": []},
        {"modules": ["nope.py"]},
        {"modules": ["manifest.json"]},
        {"logsources": []},
        {"logsource_functions": []},
        {"rules": ["class"]},
    ],
    ids=str,
)
def test_a_manifest_that_does_not_fit_its_tables_is_refused(
    rendered: dict[str, bytes], manifest: dict[str, Any], change: dict[str, Any]
) -> None:
    read_tables(manifest, rendered)
    with pytest.raises(PackError):
        read_tables({**manifest, **change}, rendered)


def test_a_pack_without_one_of_its_files_is_refused(
    rendered: dict[str, bytes], manifest: dict[str, Any], tmp_path: Path
) -> None:
    for name in ("rules.py", "matchers.py", "tables.npz", *manifest["modules"]):
        with pytest.raises(PackError):
            read_tables(manifest, {key: data for key, data in rendered.items() if key != name})
