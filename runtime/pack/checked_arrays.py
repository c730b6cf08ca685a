"""The arrays of a pack's tables, read and checked: every index is within its array before anything follows it.

The kernels of the batch engine are machine code that trusts its tables. A pack is sealed, but whoever can write one can
seal one; so what is here refused would be read or written beyond an array there. Docs: `docs/pack.md` has the list.
"""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sigmac.runtime.engine import programs
from sigmac.runtime.errors import PackError
from sigmac.runtime.scalar.folding import LAST_FOLDED

Arrays = Mapping[str, NDArray[Any]]
MAX_TABLES = 1 << 30  # bytes
# Numbers made of these are kept in 32 bits: places in text, states of automata, predicates.
MAX_TEXT = 1 << 28  # bytes of the pool, and of all literals
MAX_ROWS = 1 << 26
_QUESTIONS = np.isin(np.arange(17), (0, 1, 2, 4, 8, 16))  # of gates
_OPTIONAL = -1  # the lowest number of a column that may say: none

# Array → what its numbers count, by column where it has several
_COLUMNS: dict[str, tuple[str, ...]] = {
    "always": ("rules",),
    "comparisons": ("texts", "comparisons of numbers", "texts"),
    "functions": ("modules", "lines", "lines", "logsources"),
    "gate_rules": ("rules",),
    "gates": ("texts", "questions of gates", "texts"),
    "headers": ("lines",),
    "literals": ("texts", "texts"),
    "logsources": ("modules", "lines", "lines"),
    "metadata": ("lines", "lines"),
    "networks": ("texts", "texts"),
    "numeric_fields": ("texts",),
    "pairs": ("texts", "texts", "placements"),
    "program_fields": ("texts",),
    "programs": ("any", "any", "any", "any"),
    "rare_fields": ("texts",),
    "regex_literals": ("texts",),
    "regexes": ("texts", "texts"),
    "rule_fields": ("texts",),
    "second_gate_rules": ("rules",),
    "second_gates": ("texts", "questions of gates", "texts"),
    "single": ("rules",),
    "value_questions": ("texts", "questions of values", "texts"),
}
# Ends → of what each is one, and the array that they cut
_ENDS = {
    "gate_ends": ("gates", "gate_rules"),
    "program_ends": ("programs of rules and logsources", "programs"),
    "regex_ends": ("regexes", "regex_literals"),
    "rule_field_ends": ("rules", "rule_fields"),
    "second_gate_ends": ("second_gates", "second_gate_rules"),
    "string_ends": ("texts", "strings"),
}
# Array → of what each row is one
_ROWS = {
    "functions": "rules",
    "headers": "modules",
    "literal_asked": "literals",
    "logsources": "logsources",
    "metadata": "rules",
}
_GROUPED = ("gates", "literals", "second_gates")  # the rows of a field stand together
_DTYPES: dict[str, np.dtype[Any]] = {
    **dict.fromkeys(_COLUMNS, np.dtype(np.int32)),
    **dict.fromkeys(_ENDS, np.dtype(np.int64)),
    "fold": np.dtype(np.uint32),
    "literal_asked": np.dtype(np.uint8),
    "strings": np.dtype(np.uint8),
}
_WIDTHS = {name: len(columns) for name, columns in _COLUMNS.items()} | {"fold": 2}
# The head of a `.npy`, exactly as NumPy writes it: it is a Python expression, which nobody should evaluate.
_HEAD = re.compile(
    rb"\x93NUMPY\x01\x00..\{'descr': '([<|>][a-z]\d{1,2})', 'fortran_order': False, "
    rb"'shape': \((\d{1,10}),(?: (\d{1,3}))?\), \} *\n",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Sizes:
    """What a pack's manifest says that there is of everything."""

    rules: int
    modules: int
    logsources: int  # functions that rules of a logsource share


def load_arrays(data: bytes) -> dict[str, NDArray[Any]]:
    """The arrays of a `tables.npz`, read-only, each of the dtype and the number of dimensions that it should have.

    Raises `PackError` where one is missing or too many, or where they unpack to more than `MAX_TABLES` bytes.
    """
    found = {}
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = archive.infolist()
            # zipfile never unpacks more of an entry than it says here.
            if sum(entry.file_size for entry in entries) > MAX_TABLES:
                raise PackError(f"tables.npz unpacks to more than {MAX_TABLES >> 20} MiB")
            names = sorted(entry.filename for entry in entries)
            if names != sorted(f"{name}.npy" for name in _DTYPES):
                raise PackError("tables.npz has other arrays than it should; build the pack again")
            for entry in entries:
                name = entry.filename.removesuffix(".npy")
                found[name] = _array(name, archive.read(entry))
    except _DAMAGE as error:
        raise PackError(f"tables.npz is damaged: {error}; build the pack again") from None
    return found


# What Python's archives raise of bytes that are none
_DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, ValueError)


def _array(name: str, data: bytes) -> NDArray[Any]:
    """The array of a `.npy`, over its bytes. Raises `ValueError`."""
    head = _HEAD.match(data)
    if head is None or int.from_bytes(data[8:10], "little") != head.end() - 10:
        raise ValueError(f"{name} is no array")
    descr, *shape = head.groups()
    dtype = _DTYPES[name]
    if descr != dtype.str.encode():
        raise ValueError(f"{name} is of the type {descr.decode()}, not {dtype}")
    rows, width = int(shape[0]), _WIDTHS.get(name, 1)
    if int(shape[1] or 1) != width or (shape[1] is None) != (width == 1):
        raise ValueError(f"{name} has not the shape that it should have")
    if len(data) != head.end() + rows * width * dtype.itemsize:
        raise ValueError(f"{name} is not as long as it says")
    array = np.frombuffer(data, dtype, rows * width, head.end())
    return array if width == 1 else array.reshape(rows, width)


def check_arrays(arrays: Arrays, sizes: Sizes) -> None:
    """Raise `PackError` where some number of the tables counts beyond what it counts."""
    text = arrays["strings"]
    if len(text) > MAX_TEXT or any(
        len(each) > MAX_ROWS for each in arrays.values() if each is not text
    ):
        raise PackError("tables.npz is larger than a pack can be")
    counts = {
        "rules": sizes.rules,
        "modules": sizes.modules,
        "logsources": sizes.logsources,
        "programs of rules and logsources": sizes.rules + sizes.logsources,
        "texts": len(arrays["string_ends"]),
        "lines": 1 << 31,
        "comparisons of numbers": len(programs.COMPARISONS),
        "placements": 2 * programs.CASED,
        "questions of gates": len(_QUESTIONS),
        "questions of values": len(programs.VALUE_QUESTIONS),
        **{name: len(arrays[name]) for name in ("gates", "literals", "regexes", "second_gates")},
    }
    for name, what in _ROWS.items():
        _need(len(arrays[name]) == counts[what], f"{name} has not one row for each of {what}")
    for name, (what, cut) in _ENDS.items():
        _check_ends(name, arrays[name], counts[what], len(arrays[cut]), what)
    for name, columns in _COLUMNS.items():
        if columns[0] != "any" and len(arrays[name]):
            _check_columns(name, arrays[name], [counts[what] for what in columns], columns)
    _check_texts(arrays)
    _check_spans(arrays)
    _check_questions(arrays)
    fold = arrays["fold"]
    characters = (fold[:, 1] < 0x110000) & (fold[:, 1] >> 11 != 0xD800 >> 11)
    _need(bool((fold[:, 0] < LAST_FOLDED).all()), "fold has what has no letter case")
    _need(
        bool(characters.all() and (np.diff(fold[:, 0].astype(np.int64)) > 0).all()),
        "fold is no table",
    )
    _need(programs_are_sound(arrays), "the decision programs are damaged")


def _need(holds: bool, problem: str) -> None:
    if not holds:
        raise PackError(f"tables.npz: {problem}; build the pack again")


def _check_ends(name: str, ends: NDArray[np.int64], count: int, last: int, what: str) -> None:
    _need(len(ends) == count, f"{name} has not one end for each of {what}")
    ascending = len(ends) == 0 or (int(ends[0]) >= 0 and bool((ends[1:] >= ends[:-1]).all()))
    _need(
        ascending and (int(ends[-1]) if len(ends) else 0) == last, f"{name} does not cut its array"
    )


def _check_columns(
    name: str, array: NDArray[np.int32], counts: Sequence[int], columns: Sequence[str]
) -> None:
    rows = array.reshape(len(array), -1)
    for least, most, count, what in zip(
        rows.min(0).tolist(), rows.max(0).tolist(), counts, columns, strict=True
    ):
        allowed = _OPTIONAL if (name, what) == ("functions", "logsources") else 0
        _need(allowed <= least and most < count, f"{name} counts beyond the {what}")


def _check_texts(arrays: Arrays) -> None:
    """Texts are UTF-8 one by one; what rows of a field are looked up by stands together."""
    text, ends = arrays["strings"], arrays["string_ends"]
    try:
        text.tobytes().decode("utf-8")
    except UnicodeDecodeError:
        raise PackError("tables.npz: strings is no UTF-8; build the pack again") from None
    starts = ends[ends < len(text)]
    _need(bool((text[starts] & 0xC0 != 0x80).all()), "string_ends cuts a character")
    size = np.diff(ends, prepend=0)[arrays["literals"][:, 1]].sum()
    _need(int(size) <= MAX_TEXT, "literals are longer in all than they can be")
    for name in _GROUPED:
        fields = arrays[name][:, 0]
        firsts = fields[np.flatnonzero(np.diff(fields, prepend=-1))].tolist()
        _need(len({*firsts}) == len(firsts), f"{name} is not in order")


def _check_spans(arrays: Arrays) -> None:
    """Pieces of source have a first and a last line; whether these are lines is seen when a piece is read."""
    for name, column in (("functions", 1), ("logsources", 1), ("metadata", 0)):
        first, last = arrays[name][:, column], arrays[name][:, column + 1]
        _need(bool(((first >= 1) & (first <= last)).all()), f"{name} has lines that are none")


def _check_questions(arrays: Arrays) -> None:
    """Gates are in fields that rules ask for, numbers in fields that are compared with numbers."""
    empty = np.diff(arrays["string_ends"], prepend=0) == 0  # the pseudo-field of keywords
    asked, numeric = empty.copy(), empty.copy()
    for fields in (
        arrays["literals"][:, 0],
        arrays["rule_fields"],
        arrays["program_fields"],
        arrays["comparisons"][:, 0],
        arrays["pairs"][:, :2].reshape(-1),
        arrays["networks"][:, 0],
        arrays["value_questions"][:, 0],
    ):
        asked[fields] = True
    numeric[arrays["numeric_fields"]] = True
    _need(bool((arrays["literal_asked"] < 16).all()), "literal_asked has a question that is none")
    _need(
        bool(numeric[arrays["comparisons"][:, 0]].all()), "comparisons has a field without numbers"
    )
    for name in ("gates", "second_gates"):
        field, question = arrays[name][:, 0], arrays[name][:, 1]
        _need(bool(_QUESTIONS[question].all()), f"{name} has a question that is none")
        _need(bool(asked[field].all()), f"{name} has a field that no rule asks for")
        of_numbers = field[question == len(_QUESTIONS) - 1]
        _need(bool(numeric[of_numbers].all()), f"{name} has a field without numbers")


def programs_are_sound(arrays: Arrays) -> bool:
    """Whether the decision programs go forward only, stay within themselves, and ask what there is."""
    fields = len(arrays["program_fields"])
    counts = {
        programs.CONSTANT: 2,
        programs.TEXT: 4 * len(arrays["literals"]),
        programs.COMPARE: len(arrays["comparisons"]),
        programs.SAME: len(arrays["pairs"]),
        programs.ADDRESS: len(arrays["networks"]),
        programs.VALUE: len(arrays["value_questions"]),
        programs.UNKNOWN: 1,
        **dict.fromkeys((programs.TEXTUAL, programs.EXISTS, programs.NULL), fields),
    }
    return are_sound(arrays["programs"], arrays["program_ends"], counts)


def are_sound(code: NDArray[np.int32], ends: NDArray[np.int64], counts: Mapping[int, int]) -> bool:
    """Whether programs that end at `ends` go forward only, stay within themselves, and ask what there is.

    `counts`: how many arguments each kind of row has. The kernels rely on it.
    """
    lengths = np.diff(ends, prepend=0)
    if np.any(lengths < 1) or ends[-1:].sum() != len(code):
        return False
    row = np.arange(len(code)) - np.repeat(ends - lengths, lengths)
    length = np.repeat(lengths, lengths)
    kinds = code[:, 0] & ~programs.NEGATED
    if np.any((kinds < 0) | (kinds >= programs.NEGATED)):
        return False
    most = np.array([counts.get(kind, 0) for kind in range(programs.NEGATED)])[kinds]
    sound = (code[:, 1] >= 0) & (code[:, 1] < most)
    for target in code[:, 2:].T:
        sound &= (target == programs.TRUE) | (target == programs.FALSE) | (target > row)
        sound &= target < length
    return bool(sound.all())
