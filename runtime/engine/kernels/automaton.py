"""Aho-Corasick over the literals of a field, made deterministic as far as texts need it.

The trie and its failure links (Aho and Corasick, 1975) are small and built at once. Rows of the DFA are made when a
text first comes through a state, as in RE2's lazy DFA: of hundreds of thousands of states logs visit a few thousand,
which then lie close together.
"""

from __future__ import annotations

import numpy as np

from sigmac.runtime.engine.kernels.compiling import kernel
from sigmac.runtime.engine.kernels.hashing import mix
from sigmac.runtime.engine.layout import (
    EPOCH,
    IS_ODD_ADDRESS,
    IS_ODD_NUMBER,
    NETWORKS,
    SPECIAL,
    Automata,
    Building,
    Bytes,
    Ints,
    Rows,
    Scratch,
    State,
)

EQUALS, STARTSWITH, ENDSWITH, CONTAINS = 1, 2, 4, 8
_UNKNOWN = np.uint32(1)
_ONE = np.uint32(1)
_STREAM = 64  # bytes below which a text is not worth dividing
EXACT_DIGITS = 15  # of a number with a fraction that no rounding changes
_LONGEST_ADDRESS = 100  # characters that Python looks at


@kernel
def child_of(automata: Automata, node: int, root: int, column: int, columns: int) -> int:
    """The state below `node` by a column; -1 where the trie has none. `columns` is where the field's row begins."""
    if node == root:
        return np.int64(automata.start[columns + column])
    child = np.int64(automata.child[node])
    while child >= 0:
        if automata.columns[columns + automata.label[child]] == column:
            return child
        child = np.int64(automata.sibling[child])
    return -1


@kernel
def build(building: Building) -> int:
    """Fill the per-state arrays of all fields' automata; returns how many states there are."""
    automata, literals = building.automata, building.literals
    free = 0
    for field in range(len(automata.root)):
        root = free
        automata.root[field] = root
        number_columns(field, building)
        free = build_trie(literals.first[field], literals.last[field], root, building)
        child = np.int64(automata.child[root])
        while child >= 0:
            automata.start[field * 256 + automata.columns[field * 256 + automata.label[child]]] = (
                child
            )
            child = np.int64(automata.sibling[child])
        link(automata, root, field * 256, literals.queue)
    return free


@kernel
def number_columns(field: int, building: Building) -> None:
    """Set `columns` and `width` of a field: a column for each byte of its literals, both cases of a letter alike."""
    automata, literals = building.automata, building.literals
    columns = field * 256
    width = 1
    for literal in range(literals.first[field], literals.last[field]):
        number = literals.text[literal]
        for at in range(literals.end[number - 1] if number > 0 else 0, literals.end[number]):
            byte = np.int64(literals.strings[at])
            if automata.columns[columns + byte] == 0:
                automata.columns[columns + byte] = width
                if 97 <= byte <= 122:
                    automata.columns[columns + byte - 32] = width
                width += 1
    automata.width[field] = width if width > 1 else 0


@kernel
def build_trie(first: int, last: int, root: int, building: Building) -> int:
    """Add the literals `first..last`, sorted, as a trie under a root; returns the next free state.

    As literals are sorted, only the youngest child of a state can be the right one.
    """
    automata, literals = building.automata, building.literals
    automata.child[root] = automata.literal[root] = automata.suffix[root] = -1
    free = root + 1
    for literal in range(first, last):
        number = literals.text[literal]
        start = literals.end[number - 1] if number > 0 else 0
        node = root
        for at in range(start, literals.end[number]):
            byte = literals.strings[at]
            child = np.int64(automata.child[node])
            if child < 0 or automata.label[child] != byte:
                automata.child[free] = automata.literal[free] = automata.suffix[free] = -1
                automata.sibling[free] = child
                automata.label[free] = byte
                automata.child[node] = free
                child = np.int64(free)
                free += 1
            node = child
        if node != root:
            automata.literal[node] = literal
    return free


@kernel
def link(automata: Automata, root: int, columns: int, queue: Ints) -> None:
    """Set `fail`, `suffix` and `stops` of the trie under a root, breadth first."""
    queue[0] = root
    taken, listed = 0, 1
    automata.fail[root] = root
    automata.stops[root] = 0
    while taken < listed:
        node = queue[taken]
        taken += 1
        child = automata.child[node]
        while child >= 0:
            queue[listed] = child
            listed += 1
            if node == root:
                fail = root
            else:
                column = automata.columns[columns + automata.label[child]]
                fail = automata.fail[node]
                while True:
                    next_ = child_of(automata, fail, root, column, columns)
                    if next_ >= 0:
                        fail = next_
                        break
                    if fail == root:
                        break
                    fail = automata.fail[fail]
            automata.fail[child] = fail
            automata.suffix[child] = fail if automata.literal[fail] >= 0 else automata.suffix[fail]
            literal = automata.literal[child]
            asked = automata.asked[literal] if literal >= 0 else 0
            automata.stops[child] = automata.stops[fail] | (asked & (CONTAINS | STARTSWITH) != 0)
            child = automata.sibling[child]


@kernel
def row_of(rows: Rows, node: int, width: int) -> int:
    """The place of the first column of a state's row, made where it is missing; 0 where there is no room."""
    row = rows.of[node]
    if row == 0:
        used = rows.sizes[0]
        if used + width + 1 > len(rows.cells):
            return 0
        rows.cells[used] = node
        row = used + 1
        for i in range(row, row + width):
            rows.cells[i] = _UNKNOWN
        rows.sizes[0] = row + width
        rows.of[node] = row
    return row


@kernel
def step(row: int, column: int, field: int, state: State) -> np.uint32:
    """Fill the cell of a row and a column and return it; 0 where there is no room for the next row."""
    automata, rows = state.automata, state.rows
    columns = field * 256
    node = np.int64(rows.cells[row - 1])
    root = automata.root[field]
    while True:
        child = child_of(automata, node, root, column, columns)
        if child >= 0:
            node = np.int64(child)
            break
        if node == root:
            break
        node = np.int64(automata.fail[node])
    target = row_of(rows, node, automata.width[field])
    cell = np.uint32(target * 2 + automata.stops[node])
    if target > 0:
        rows.cells[row + column] = cell
    return cell if target > 0 else np.uint32(0)


@kernel
def note(predicate: int, n: int, scratch: Scratch, epoch: int) -> int:
    """Add a predicate to the set of this value, of `n` members so far; returns how many it has."""
    if scratch.predicate_seen[predicate] != epoch:
        scratch.predicate_seen[predicate] = epoch
        scratch.predicates[n] = predicate
        n += 1
    return n


@kernel
def note_hits(hits: int, state: State, n: int) -> int:
    """Add what the stops of a text say: literals that it contains or starts with."""
    scratch, automata = state.scratch, state.automata
    epoch = scratch.sizes[EPOCH]
    for i in range(hits):
        node = scratch.hit_state[i]
        end = scratch.hit_end[i]
        while node >= 0:
            literal = automata.literal[node]
            if literal >= 0:
                asked = automata.asked[literal]
                if asked & CONTAINS:
                    n = note(literal * 4 + 3, n, scratch, epoch)
                if asked & STARTSWITH and end == automata.size[literal]:
                    n = note(literal * 4 + 1, n, scratch, epoch)
            node = automata.suffix[node]
    return n


@kernel
def scan_text(data: Bytes, start: int, stop: int, field: int, state: State) -> int:
    """Collect the text predicates of a field that are true of `data[start:stop]`; returns how many, -1: no room.

    `data` is UTF-8, unescaped and folded but for the case of ASCII letters. The set is in `scratch.predicates`.
    """
    automata, scratch = state.automata, state.scratch
    sizes = scratch.sizes
    sizes[EPOCH] += 1
    epoch = sizes[EPOCH]
    n = 0
    width = automata.width[field]
    if start == stop:
        if automata.empty[field] >= 0:
            n = note(automata.empty[field], n, scratch, epoch)
        return n
    if width == 0:
        return n
    root = row_of(state.rows, automata.root[field], width)
    if root == 0:
        return -1
    size = stop - start
    overlap = np.int64(automata.longest[field])
    if size >= 8 * overlap and size >= 4 * _STREAM:
        n, row = run_four(data, start, size, overlap, root, field, state, n)
    else:
        n, row = run_one(data, start, size, root, field, state, n)
    if n < 0:
        return n
    node = np.int64(state.rows.cells[row - 1])
    while node >= 0:
        literal = automata.literal[node]
        if literal >= 0:
            asked = automata.asked[literal]
            if asked & ENDSWITH:
                n = note(literal * 4 + 2, n, scratch, epoch)
            if asked & EQUALS and automata.size[literal] == size:
                n = note(literal * 4, n, scratch, epoch)
        node = np.int64(automata.suffix[node])
    return n


@kernel
def run_one(
    data: Bytes, start: int, size: int, root: int, field: int, state: State, n: int
) -> tuple[int, int]:
    """Run the automaton over a text; returns how many predicates there are (-1: no room) and the last row."""
    cells, columns = state.rows.cells, state.automata.columns
    base = np.uint64(field) * np.uint64(256)
    row = np.uint64(root)
    hits = 0
    for at in range(size):
        place = row + np.uint64(columns[base + np.uint64(data[start + at])])
        cell = cells[place]
        if cell & _ONE:
            cell, hits, n = stop_at(cell, place, row, at + 1, field, state, hits, n)
            if cell == 0:
                return -1, 0
        row = np.uint64(cell >> _ONE)
    return note_hits(hits, state, n), np.int64(row)


@kernel
def run_four(
    data: Bytes, start: int, size: int, overlap: int, root: int, field: int, state: State, n: int
) -> tuple[int, int]:
    """As `run_one`, four parts of the text at a time.

    A step waits for the memory of the step before it; four steps that do not depend on each other wait together. A
    state is never longer than the longest literal: a part that begins so many bytes early is right where it matters,
    and what it finds before is true as well.
    """
    cells, columns = state.rows.cells, state.automata.columns
    base = np.uint64(field) * np.uint64(256)
    length = (size + 3 * overlap + 3) // 4
    second, third, fourth = length - overlap, 2 * (length - overlap), size - length
    one = two = three = four = np.uint64(root)
    hits = 0
    for i in range(length):
        at = start + i
        place1 = one + np.uint64(columns[base + np.uint64(data[at])])
        place2 = two + np.uint64(columns[base + np.uint64(data[at + second])])
        place3 = three + np.uint64(columns[base + np.uint64(data[at + third])])
        place4 = four + np.uint64(columns[base + np.uint64(data[at + fourth])])
        cell1, cell2, cell3, cell4 = cells[place1], cells[place2], cells[place3], cells[place4]
        if (cell1 | cell2 | cell3 | cell4) & _ONE:
            end = i + 1
            if cell1 & _ONE:
                cell1, hits, n = stop_at(cell1, place1, one, end, field, state, hits, n)
            if cell2 & _ONE:
                cell2, hits, n = stop_at(cell2, place2, two, end + second, field, state, hits, n)
            if cell3 & _ONE:
                cell3, hits, n = stop_at(cell3, place3, three, end + third, field, state, hits, n)
            if cell4 & _ONE:
                cell4, hits, n = stop_at(cell4, place4, four, end + fourth, field, state, hits, n)
            if cell1 == 0 or cell2 == 0 or cell3 == 0 or cell4 == 0:
                return -1, 0
        one, two = np.uint64(cell1 >> _ONE), np.uint64(cell2 >> _ONE)
        three, four = np.uint64(cell3 >> _ONE), np.uint64(cell4 >> _ONE)
    return note_hits(hits, state, n), np.int64(four)


@kernel
def stop_at(
    cell: np.uint32,
    place: np.uint64,
    row: np.uint64,
    end: int,
    field: int,
    state: State,
    hits: int,
    n: int,
) -> tuple[np.uint32, int, int]:
    """What to do where a cell is odd: fill it (0: no room), note the state where the text's first `end` bytes stop it.

    Returns the cell, and how many hits and predicates there are.
    """
    scratch = state.scratch
    if cell == _UNKNOWN:
        cell = step(np.int64(row), np.int64(place - row), field, state)
        if cell == 0:
            return cell, hits, n
    if cell & _ONE:
        scratch.hit_state[hits] = state.rows.cells[np.uint64(cell >> _ONE) - np.uint64(1)]
        scratch.hit_end[hits] = end
        hits += 1
        if hits == len(scratch.hit_state):
            n = note_hits(hits, state, n)
            hits = 0
    return cell, hits, n


@kernel
def scan_number(data: Bytes, start: int, stop: int, field: int, state: State, n: int) -> int:
    """Add where the number that a text says stands among the field's thresholds; returns how many predicates now.

    A number between two whole ones stands between their doubles. What may be another number than it seems (so many
    digits that it is rounded, or a threshold in the same gap) is noted as odd, for Python.
    """
    automata, scratch = state.automata, state.scratch
    epoch = scratch.sizes[EPOCH]
    odd = scratch.sizes[SPECIAL] + IS_ODD_NUMBER
    at = start
    if at < stop and (data[at] == 45 or data[at] == 43):
        at += 1
    first = at
    value = 0
    while at < stop and 48 <= data[at] <= 57:
        if at - first < 18:
            value = value * 10 + (np.int64(data[at]) - 48)
        at += 1
    if at == first:
        return n
    digits = at - first
    doubled = value * 2
    if at < stop:
        # A decimal is digits, a point and digits.
        if data[at] != 46 or at + 1 == stop:
            return n
        last = at
        for i in range(at + 1, stop):
            if data[i] < 48 or data[i] > 57:
                return n
            if data[i] != 48:
                last = i
        digits += last - at
        if digits > EXACT_DIGITS:
            return note(odd, n, scratch, epoch)
        if last > at:
            doubled += 1
    elif digits > 18:
        return note(odd, n, scratch, epoch)
    if data[start] == 45:
        doubled = -doubled
    low, high = automata.first[field], automata.last[field]
    first_threshold = low
    while low < high:
        middle = (low + high) // 2
        if automata.thresholds[middle] < doubled:
            low = middle + 1
        else:
            high = middle
    position = 2 * (low - first_threshold)
    if low < automata.last[field] and automata.thresholds[low] == doubled:
        if doubled & 1 != 0:
            return note(odd, n, scratch, epoch)
        position += 1
    return note(automata.number[field] + position, n, scratch, epoch)


@kernel
def scan_address(data: Bytes, start: int, stop: int, field: int, state: State, n: int) -> int:
    """Add the networks of a field that hold the IPv4 address that a text is; returns how many predicates now.

    What may be an IPv6 address is noted as odd, for Python.
    """
    programs, scratch = state.programs, state.scratch
    sizes = scratch.sizes
    address, part, parts, digits = 0, 0, 0, 0
    for at in range(start, min(stop, start + _LONGEST_ADDRESS)):
        c = data[at]
        if c == 58:
            return note(sizes[SPECIAL] + IS_ODD_ADDRESS, n, scratch, sizes[EPOCH])
        if 48 <= c <= 57 and parts < 4 and digits < 3 and (digits == 0 or part != 0):
            part = part * 10 + (np.int64(c) - 48)
            digits += 1
        elif c == 46 and digits > 0 and part < 256:
            address = address << 8 | part
            part, digits = 0, 0
            parts += 1
        else:
            parts = 9  # it is none, but may be one of the other kind
    if parts == 3 and digits > 0 and part < 256 and stop - start <= 15:
        address = address << 8 | part
        for network in range(programs.first[field], programs.last[field]):
            if programs.networks[2 * network] <= address <= programs.networks[2 * network + 1]:
                n = note(sizes[NETWORKS] + network, n, scratch, sizes[EPOCH])
    return n


@kernel
def set_hash(members: Ints, n: int, key: int) -> np.uint64:
    """A uint64 other than 0 of a set of numbers and a key, whatever the order."""
    total = np.uint64(key) * np.uint64(0x94D049BB133111EB)
    for i in range(n):
        total += mix(np.uint64(members[i]), np.uint64(0x5851F42D4C957F2D))
    return mix(total, np.uint64(n)) | np.uint64(1)
