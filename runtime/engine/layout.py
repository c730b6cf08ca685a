"""The arrays that the kernels work on, in groups, with their dtypes: one table for Python and for machine code.

All arrays have one dimension; `sizes` count elements. What is not said to be written by the kernels is read only. The
groups of an engine are its `State`, which a kernel takes whole where it works on more than one of them.
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

    An entry is a key in a node: its bytes and a quote, which begin at `text[start]`, the field that its value is (-1:
    none) and the node of its object (-1: none rule looks into). `slots` is a hash table with open addressing: 0 for a
    free slot, else some bits of the hash (ENTRY_TAG) and 1 + the entry.
    """

    slots: Words
    start: Ints
    field: Ints
    child: Ints
    text: Bytes


class Automata(NamedTuple):
    """Aho-Corasick automata, one a field, over the folded UTF-8 literals of all rules.

    Per field: `root`, its state; 256 bytes of `columns`, which map a byte of text to a column of its rows; 256 states
    of `start`, those below the root by column (-1: none); `width`, how many columns; `longest`, bytes of its longest
    literal; `empty`, the predicate of equality with the empty text (-1: nobody asks). `thresholds[first:last]` are the
    doubled numbers compared with, `number` the predicate of the first place among them. Per state: `child`, `sibling`,
    `label` make the trie; `fail` is the longest proper suffix that is a state; `literal` ends here (-1: none);
    `suffix` is the next shorter state where one ends (-1: none); `stops`: some literal that ends here or at a suffix
    is asked for wherever it stands. Per literal: `asked`, bits as in `fields.py`, `size` in bytes.
    """

    root: Ints
    columns: Bytes
    start: Ints
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


class Programs(NamedTuple):
    """What decides a rule once it is a candidate; `runtime/engine/programs.py` has the form.

    Program i is `code[4 * start[i]:4 * start[i + 1]]`: first those of rules, then those of logsources. What arguments
    stand for: `fields`; `comparisons`, three numbers each: field, first and last place among its thresholds that
    satisfies it; `pairs`: field, other field, how they are compared; what is asked of a value of `value_field`, which
    has at least `value_least` bytes and holds the byte `value_byte` (0: none) where the answer is yes (Python writes
    the two once it was asked); a
    network is of a `network_field`, has a `network_value`, what is asked of a value that is no IPv4 address, and two
    numbers of `networks`: its first and its last IPv4 address (the first is above the last: it has none). Those of a
    field are `first[field]` to `last[field]`. `field` and `in_number` tell of each literal what its field is, and
    whether it may stand in a number; its text begins at `strings[strings_start]`. `alternatives_…` are those of
    `alternatives.py`.
    """

    code: Ints
    start: Ints
    alternatives_at: Ints
    alternatives_start: Ints
    alternatives_of: Ints
    alternatives_after: Ints
    fields: Ints
    comparisons: Ints
    pairs: Ints
    value_field: Ints
    value_least: Ints
    value_byte: Bytes
    network_field: Ints
    network_value: Ints
    networks: Longs
    first: Ints
    last: Ints
    field: Ints
    in_number: Bytes
    strings_start: Longs
    strings: Bytes


class Factors(NamedTuple):
    """What of literals is searched in raw bytes: see `kernels/factor_search.py`.

    A factor is the part of a literal that stands in a record's bytes wherever the literal does:
    `text[start:start + length]`, in lower case and as JSON spells it. `of` is the factor of each literal (-1: none): of
    those of keywords, and those that open gates. `predicate` is what finding it says: that a keyword is contained,
    where the factor is all of it; else that its literal may be there, which is the predicate of the factor itself.
    """

    of: Ints
    start: Ints
    length: Ints
    predicate: Ints
    text: Bytes


class Searches(NamedTuple):
    """Which factors are searched together; written by Python.

    `of_field`: 1 + the search for a field's gates, 0: none. `wanted` has for each search a byte for each hash of a
    gram, 1 where it is looked for: hashes of 64 - `shifts` bits, so that what little is looked for takes little room
    in the processor's caches. `masks` have the bits of a gram, of three or four bytes without their bit 5; `strides`:
    at places how many bytes apart (0: nowhere). Grams in a slot, by the upper bits of their hash, are entries
    `first[slot]` to `first[slot + 1]`, of four words: the first bytes of the factor without their bit 5, a mask that
    has these bits, how far from them the gram is, the factor.
    Factors too short for that are known by a window of WINDOW bytes, and are in one of BUCKETS. `nibbles` has for each
    search, byte of a window and nibble of it a bit for each bucket that may have it there. Entries like the others
    are those of `windows` between two of `window_first`, in slots by the hash of three bytes; what has only two is
    behind them.
    `has` has a byte for each factor, 1 where it is in the search.
    """

    of_field: Ints
    wanted: Bytes
    shifts: Hashes
    masks: Hashes
    strides: Longs
    first: Ints
    entries: Hashes
    nibbles: Bytes
    window_first: Ints
    windows: Hashes
    has: Bytes


class Memo(NamedTuple):
    """Level 1: (field, raw bytes of a value) → class; written by the kernels.

    A hash table of eight words a slot, a line of the processor's caches: hash (0: free), field and length (32 bits
    each), class, and the bytes, or where in `text` they are if they are more than MEMO_INLINE. `sizes`: entries,
    bytes, and what was looked for and found by fields that were judged. Per field:
    `policy` (bits DEFER and FORGET), `looked` and `found`, how often a value was looked for and found, `read`, the
    bytes of the values looked for.
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


class Kinds(NamedTuple):
    """Level 2: records whose logsource fields have the same classes; laid out as `Classes`, `key` is the stream's tag.

    `asked` (a byte a field): logsource conditions ask it. For each kind, written by the kernels: `logsources`, what
    each logsource condition says of it (NO, UNKNOWN, YES); and by Python when a new kind was met: `active`, a byte
    each field that some rule of the kind asks; `rules`, a byte each rule of the kind. The byte of the field of keywords
    is 0, or 1 + the number of the search for their keywords, or NOT_KNOWN where Python must decide
    each record.
    """

    slots: Ints
    hash: Hashes
    key: Ints
    start: Ints
    members: Ints
    sizes: Longs
    asked: Bytes
    logsources: Bytes
    active: Bytes
    rules: Bytes


class Scratch(NamedTuple):
    """What the kernels note while they work on one record.

    `quotes` are where its strings begin and end. A token is a value of a field; `form`, `class_` (-1: not known
    yet). `hash` is that of a token's value, 0: not made yet. `fact` says of each predicate in which record it was true
    last; `noted` of each field the record and bits of what its values are, `low` and `high` their places among the
    thresholds, `only` the class of the only one (-1: several). `asked` has four numbers for each question that Python
    must answer of a value: where it begins and ends, its field, the question; then the answer takes the place of the
    field, as ~field for no and field for yes.
    """

    quotes: Longs
    field: Ints
    start: Longs
    stop: Longs
    form: Bytes
    class_: Ints
    hash: Hashes
    key_hash: Hashes
    key_object: Longs
    key_table: Ints
    key_used: Longs
    entry_object: Longs
    field_record: Longs
    field_entry: Ints
    stack: Longs
    text: Bytes
    spelled: Bytes
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
    fact: Longs
    noted: Longs
    low: Ints
    high: Ints
    only: Ints
    asked: Longs
    sizes: Longs


class Records(NamedTuple):
    """A stretch of raw bytes and what was found in it, which is written.

    `data` is padded: `PADDING` bytes may be read past any record. What was found is `line`, and `rule`: one that
    matches; -1 - one that only the values can decide; or RECORD_LEFT, where nothing was decided. Of these two `start`
    and `stop` say where the record is.
    """

    data: Bytes
    line: Ints
    rule: Ints
    start: Longs
    stop: Longs
    sizes: Longs


class State(NamedTuple):
    """All that `evaluate` works on: what rules ask, what is remembered of events so far, and the records at hand.

    The records are last: they alone change from batch to batch.
    """

    names: Names
    automata: Automata
    gates: Gates
    programs: Programs
    factors: Factors
    rows: Rows
    memo: Memo
    classes: Classes
    searches: Searches
    kinds: Kinds
    scratch: Scratch
    records: Records


class Building(NamedTuple):
    """All that `build` works on: the automata, and what they are built of."""

    automata: Automata
    literals: Literals


_DTYPES = {Bytes: np.uint8, Ints: np.int32, Longs: np.int64, Words: np.uint32, Hashes: np.uint64}


def members(group: type[NamedTuple]) -> dict[str, Any]:
    """Name → dtype of each array of a group; of a group of groups name → group."""
    return {name: _DTYPES.get(hint, hint) for name, hint in get_type_hints(group).items()}


class Gathering(NamedTuple):
    """What `gather` works on: structs and texts of a C library, each at one of `addresses`.

    `sizes` has what is wanted, how many addresses there are, and an address of a function. TELL writes the first TOLD
    words of each struct to `told`, word j of all structs from `told[j * count]` on. JOIN copies texts of `told[i]`
    bytes to `data`, each with a line feed behind it, behind which is `ends[i]`, and returns how many are missing
    (address 0), have a line feed in them, or begin with a BOM: with those `data` is not one record a line. RELEASE
    calls the function for each address.
    """

    addresses: Longs
    told: Longs
    data: Bytes
    ends: Longs
    sizes: Longs


TELL, JOIN, RELEASE = range(3)
TOLD = 8

# What `evaluate` returns
DONE, NEW_KIND, FULL_ROWS, FULL_MEMO, FULL_CLASSES, FULL_FOUND, ASK = range(7)
# Instead of a rule: the record is left to the scalar path
RECORD_LEFT = -(2**31)
# What is known of a question
NO, UNKNOWN, YES = 0, 1, 2
# What may stand for the number of a set of keywords: Python decides each record of the kind
NOT_KNOWN = 255
# In a slot of Names: the bits of the hash; the rest are the entry's
ENTRY_TAG = 0xFFF00000
MOST_ENTRIES = 0x000FFFFF
WINDOW, BUCKETS = 4, 8
WINDOW_BITS = 6
WINDOW_SLOTS = 1 << WINDOW_BITS
GRAM_BITS, SLOT_BITS = 17, 12  # of the hash of a gram at most, and those of its slot
# Bits of `sizes[EXOTIC]`: a string is OUTLANDISH, a number is ODD
OUTLANDISH_TEXT, ODD_NUMBER = 1, 2
# Bits of a field's `policy`: values are looked at only when a candidate asks; they are not remembered
DEFER, FORGET = 1, 2
# Forms of tokens
TEXT, NULL, OBJECT, EMPTY, ODD = 0, 1, 2, 3, 4
# Bytes from which on a text that is not remembered is searched, and asked one question after the other
LONG_TEXT = 64
MEMO_WORDS, MEMO_BYTES = 8, 3  # of a slot; and the word at which the bytes of a value stand
MEMO_INLINE = 8 * (MEMO_WORDS - MEMO_BYTES)
# Predicates that are no literal's, by their distance from the first number behind the literals'
(
    IS_NULL,
    IS_OBJECT,
    IS_EMPTY,
    IS_ODD,
    IS_ODD_NUMBER,
    IS_DEFERRED,
    IS_ODD_ADDRESS,
    IS_SEARCHED,
) = range(8)
FIRST_NUMBER = 8
# Bits of `noted`: the field is there; some value is null, is no null, is text, is a number; what is not known of one;
# questions are put to one by one
(
    PRESENT,
    NULLISH,
    VALUED,
    TEXTUAL,
    NUMERIC,
    ODD_TEXT,
    NUMBER_UNKNOWN,
    ADDRESS_UNKNOWN,
    UNREAD,
) = (1 << i for i in range(9))
NOTED_BITS = 9
# Places in sizes of Scratch
(
    OBJECTS,
    RECORD,
    TOKENS,
    KEYS,
    EPOCH,
    SPECIAL,
    COLLECT_KEYS,
    TAG,
    N_FIELDS,
    EXOTIC,
    SCANNED,
    FIELD_LISTS,
    QUOTES,
    NETWORKS,
    FIRST_FACTOR,
    SEED,
    FOLDED_TOKEN,
    FOLDED_SIZE,
    FIRST_VALUE,
    ASKED,
    REPLIED,
    JUDGED,
    MOST_VALUES,
) = range(23)
MOST_ASKED = 1024  # questions at once
# Places in sizes of Records
POSITION, END, LINE, FOUND, BLANK, LEFT = range(6)
DEPTH = 64
KEYWORDS_FIELD = 0
