"""The arrays that the kernels work on, in groups, with their dtypes: one table for Python and for machine code.

All arrays have one dimension; `sizes` count elements. What is not said to be written by the kernels is read only.
"""

from __future__ import annotations

from typing import Any, NamedTuple, get_type_hints

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Ints = NDArray[np.int32]
Longs = NDArray[np.int64]
Words = NDArray[np.uint32]
Hashes = NDArray[np.uint64]


class Names(NamedTuple):
    """The keys that rules look at, as a trie: node 0 is the event, others are objects on the way of a dotted name.

    An entry is a key in a node: `text[start:start + length]`, the field that its value is (-1: none) and the node of
    its object (-1: none rule looks into). `slots` is a hash table of entries by `hash` (open addressing, -1: free).
    """

    slots: Ints
    hash: Hashes
    node: Ints
    start: Ints
    length: Ints
    field: Ints
    child: Ints
    text: Bytes


class Automata(NamedTuple):
    """Aho-Corasick automata, one a field, over the folded UTF-8 literals of all rules.

    Per field: `root`, its state; 256 bytes of `columns`, which map a byte of text to a column of its rows; `width`,
    how many columns; `longest`, bytes of its longest literal; `empty`, the predicate of equality with the empty
    text (-1: nobody asks). `thresholds[first:last]` are the doubled numbers compared with, `number` the predicate
    of the first place among them. Per state: `child`, `sibling`, `label` make the trie; `fail` is the longest
    proper suffix that is a state; `literal` ends here (-1: none); `suffix` is the next shorter state where one ends
    (-1: none); `stops`: some literal that ends here or at a suffix is asked for wherever it stands. Per literal:
    `asked`, bits as in `fields.py`, `size` in bytes.
    """

    root: Ints
    columns: Bytes
    width: Ints
    longest: Ints
    empty: Ints
    number: Ints
    first: Ints
    last: Ints
    thresholds: Longs
    child: Ints
    sibling: Ints
    label: Bytes
    fail: Ints
    literal: Ints
    suffix: Ints
    stops: Bytes
    asked: Bytes
    size: Ints
    fold: Words


class Literals(NamedTuple):
    """What the automata are built of: literal i is `strings` between two `end`s, the pool's text `text[i]`.

    The literals of a field are `first[field]` to `last[field]`, in the order of their bytes. `queue` is written: room
    for the states of one field.
    """

    strings: Bytes
    end: Longs
    text: Ints
    first: Ints
    last: Ints
    queue: Ints


class Rows(NamedTuple):
    """The part of the automata that was needed so far, as a DFA: written by the kernels.

    A row is one cell with its state, then a cell a column: 1 is not known yet, else twice the place of the next row's
    first column, plus 1 where its state stops. `of` is the row of each state (0: none), `sizes[0]` the cells in use.
    """

    cells: Words
    of: Words
    sizes: Longs


class Gates(NamedTuple):
    """What makes a rule a candidate: its first and its second gate are open.

    `first_free`, `second_free`: a byte for each rule that has none; `free`: the rules that have neither. The
    function of rule r asks the fields `fields[start[r]:start[r + 1]]`. Lists of rules are `rules[a:b]` between two
    `ends`: for each predicate those whose first gates it opens and those whose second, from list 0 on; for each field,
    from list `2 * (predicates of all fields)` on, those whose first gates its presence opens, those whose second, those
    of which an odd number may open one, and all that have some gate in it.
    """

    first_free: Bytes
    second_free: Bytes
    free: Ints
    start: Ints
    fields: Ints
    ends: Ints
    rules: Ints


class Keywords(NamedTuple):
    """Literals of keywords, to tell of a whole record that it holds none: see `kernels/raw_search.py`.

    `slots` has the first entry (-1: none) for each hash of a gram; an entry is a `gram` (four bytes, bit 5 of
    each set) at an `offset` in a literal, `text[start:start + length]`, and the `next` of its hash.
    """

    slots: Ints
    gram: Hashes
    offset: Ints
    start: Ints
    length: Ints
    next: Ints
    text: Bytes


class Memo(NamedTuple):
    """Level 1: (field, raw bytes of a value) → class; written by the kernels.

    A hash table of four words a slot: hash (0: free), field and length (32 bits each), where in `text` the bytes
    are, class. `sizes`: entries, bytes. Per field: `policy` (bits DEFER and FORGET), `looked` and `found`, how
    often a value was looked for and found, `read`, the bytes of the values looked for.
    """

    slots: Hashes
    text: Bytes
    sizes: Longs
    policy: Bytes
    looked: Longs
    found: Longs
    read: Longs


class Classes(NamedTuple):
    """Sets of predicates of one field that are true together; written by the kernels.

    A hash table `slots` by `hash`; class i has the predicates `members[start[i]:start[i + 1]]` of `field[i]`.
    `sizes`: classes, members. A class opens the first gates of the rules `gates[first[i]:second[i]]` and the second
    ones of `gates[second[i]:first[i + 1]]`.
    """

    slots: Ints
    hash: Hashes
    field: Ints
    start: Ints
    members: Ints
    sizes: Longs
    first: Ints
    second: Ints
    gates: Ints


class Signatures(NamedTuple):
    """Level 2: what decides a record; written by the kernels and laid out as `Classes`. `key` is the record's kind.

    Members are the classes of the fields that its candidates ask, and the candidates: rule r as `sizes[RULES_FROM]`
    of the scratch + r.
    """

    slots: Ints
    hash: Hashes
    key: Ints
    start: Ints
    members: Ints
    sizes: Longs


class Kinds(NamedTuple):
    """The first stage of level 2: the fields that logsource conditions ask, and what each kind of record needs.

    `asked` (a byte a field): part of the key of kinds. `active`: a byte for each kind and field: some rule of the
    kind asks it; written by Python when the kernels have met a new kind. Of the field of keywords it is 0, ALWAYS, or
    RARELY + i: only where the record holds one of the literals of set i. `rules`: a byte for each kind and rule, the
    rules of the kind. `key` is the stream's tag. Of set i, `wanted` has a byte for each hash of a gram, 1 where it
    is looked for; `strides`: at places how many bytes apart; `exotic`: the bits of `sizes[EXOTIC]` that tell of values
    which the search cannot judge.
    """

    slots: Ints
    hash: Hashes
    key: Ints
    start: Ints
    members: Ints
    sizes: Longs
    asked: Bytes
    active: Bytes
    rules: Bytes
    wanted: Bytes
    strides: Longs
    exotic: Bytes


class Scratch(NamedTuple):
    """What the kernels note while they work on one record; and keys of records before, to guess the next ones.

    Of each guess: the bytes with their quote, `guess_length` (0: none) of GUESS_BYTES; their hash, node and entry; and
    the guess for the key that follows.
    """

    field: Ints
    start: Longs
    stop: Longs
    form: Bytes
    class_: Ints
    key_hash: Hashes
    key_object: Longs
    key_table: Ints
    key_used: Longs
    guess_next: Ints
    guess_length: Ints
    guess_node: Ints
    guess_entry: Ints
    guess_hash: Hashes
    guess_text: Bytes
    entry_object: Longs
    field_record: Longs
    field_entry: Ints
    stack: Longs
    text: Bytes
    hit_state: Ints
    hit_end: Ints
    predicates: Ints
    predicate_seen: Longs
    members: Ints
    class_seen: Longs
    opened: Longs
    listed: Longs
    described: Longs
    candidates: Ints
    field_needed: Longs
    sizes: Longs


class Records(NamedTuple):
    """A stretch of raw bytes and what became of its records; `start`, `stop` and `signature` are written.

    `data` is padded: `PADDING` bytes may be read past any record. `signature` of each line: its number, or one of
    BLANK, FALLBACK and NOTHING (no rule is a candidate).
    """

    data: Bytes
    start: Longs
    stop: Longs
    signature: Ints
    sizes: Longs


# The arguments of the two kernels that Python calls
BUILD: tuple[Any, ...] = (Automata, Literals)
EVALUATE: tuple[Any, ...] = (
    Names,
    Automata,
    Gates,
    Keywords,
    Rows,
    Memo,
    Classes,
    Signatures,
    Kinds,
    Scratch,
    Records,
)
_DTYPES = {Bytes: np.uint8, Ints: np.int32, Longs: np.int64, Words: np.uint32, Hashes: np.uint64}


def dtypes(group: type[NamedTuple]) -> dict[str, Any]:
    """Array name → dtype of a group."""
    return {name: _DTYPES[hint] for name, hint in get_type_hints(group).items()}


# What `evaluate` returns
DONE, NEW_KIND, FULL_ROWS, FULL_MEMO, FULL_CLASSES, FULL_LINES = 0, 1, 2, 3, 4, 5
# A line's `signature` where it has none
BLANK, FALLBACK, NOTHING = -1, -2, -3
# Whether the values of a kind's records are searched for keywords; or Python could not tell what kind it is
ALWAYS, UNKNOWN_KIND, RARELY = 1, 2, 3
HASH_BITS = 14  # of a gram
# Bits of `sizes[EXOTIC]`: a string is OUTLANDISH, a number is ODD
OUTLANDISH_TEXT, ODD_NUMBER = 1, 2
# Bits of a field's `policy`: values are looked at only when a candidate asks; they are not remembered
DEFER, FORGET = 1, 2
# Forms of tokens
PLAIN, COMPLEX, NULL, OBJECT, EMPTY, ODD, OUTLANDISH = 0, 1, 2, 3, 4, 5, 6
# Predicates that are no literal's, by their distance from the first number behind the literals'
IS_NULL, IS_OBJECT, IS_EMPTY, IS_ODD, IS_ODD_NUMBER, IS_DEFERRED, FIRST_NUMBER = 0, 1, 2, 3, 4, 5, 8
# Places in sizes of Scratch
(
    OBJECTS,
    RECORD,
    TOKENS,
    KEYS,
    EPOCH,
    SPECIAL,
    LEAVES,
    TAG,
    N_FIELDS,
    EXOTIC,
    SCANNED,
    RULES_FROM,
    FIELD_LISTS,
) = range(13)
# What `sizes[LEAVES]` says: whether values that no rule names are listed, for keywords
NO_LEAVES, LEAVES_ONCE, ALL_LEAVES = 0, 1, 2
# Places in sizes of Records
POSITION, END, LINE = 0, 1, 2
DEPTH = 64
GUESSES, GUESS_BYTES = 1024, 64
KEYWORDS_FIELD = 0
