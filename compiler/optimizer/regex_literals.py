"""What the literals in a regular expression say about the texts that match it."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import product
from typing import NamedTuple

from sigmac.compiler.ir.expressions import Op
from sigmac.compiler.optimizer.regex_syntax import (
    Alternation,
    Boundary,
    Dot,
    Edge,
    Literal,
    Regex,
    Repeat,
    Sequence,
    Some,
    parse,
)
from sigmac.runtime.scalar.folding import default_fold

MIN_LENGTH = 2  # a shorter literal is in too many texts to be worth looking for
MAX_EXACT = 16  # of the texts that part of a pattern is expanded to while literals are looked for
MAX_PRODUCT = 64  # of the texts that `(a|b)(c|d)` is multiplied out to
MAX_ATOMS = 100_000
MAX_TEXT = 200
MAX_SETS = 4  # of necessary literals that are looked for before a pattern is asked

Texts = tuple[str, ...]
_Branch = tuple[Regex, ...]


class _Known(NamedTuple):
    """Of a part: all texts it matches, or sets of texts, of each of which its matches contain one; folded."""

    exact: Texts | None = None
    required: tuple[Texts, ...] = ()


def required_literals(pattern: str) -> Texts | None:
    """Folded texts of which every text that matches contains one; None where none are known.

    After Russ Cox, "Regular Expression Matching with a Trigram Index" (2012): a part's exact texts
    are multiplied out while they are few, else the best literal so far is kept.

    >>> required_literals(r"https?://\\d+"), required_literals(r"[Rr]un(dll|Once).exe$")
    (('https://', 'http://'), ('rundll', 'runonce'))
    >>> required_literals(r"\\w+") is None
    True
    """
    tree = parse(pattern)
    return None if tree is None else _best_of(_known(tree))


def all_required_literals(pattern: str) -> tuple[Texts, ...]:
    """Up to `MAX_SETS` sets of folded texts; every text that matches contains one of each. The best comes first.

    >>> all_required_literals(r"(net|sc)\\.exe\\s+.*/add")
    (('net.exe', 'sc.exe'), ('/add',))
    """
    tree = parse(pattern)
    found = () if tree is None else _distinct_sets(_sets_of(_known(tree)))
    return tuple(sorted(found, key=_worth, reverse=True)[:MAX_SETS])


def _sets_of(known: _Known) -> tuple[Texts, ...]:
    exact = _usable(known.exact)
    return known.required if exact is None else (exact, *known.required)


def _distinct_sets(sets: Iterable[Texts]) -> tuple[Texts, ...]:
    return tuple(dict.fromkeys(sets))


def _worth(texts: Texts) -> tuple[int, int]:
    """The more, the fewer texts contain one of these: the shortest is longer, or there are fewer."""
    return min(map(len, texts)), -len(texts)


def _best_of(known: _Known) -> Texts | None:
    return max(_sets_of(known), key=_worth, default=None)


def _usable(texts: Texts | None) -> Texts | None:
    return texts if texts and min(map(len, texts)) >= MIN_LENGTH else None


def _known(node: Regex) -> _Known:
    # Recursion is bounded: the parser gives up on deep nesting.
    if isinstance(node, Literal):
        return _Known(exact=(default_fold()(node.character),))
    if isinstance(node, Some):
        return _Known(exact=_distinct(map(default_fold(), sorted(node.members))) or None)
    if isinstance(node, (Edge, Boundary)):
        return _Known(exact=("",))
    if isinstance(node, Dot):
        return _Known()
    if isinstance(node, Repeat):
        return _of_repeat(node)
    if isinstance(node, Alternation):
        return _of_alternation([_known(branch) for branch in node.branches])
    return _of_sequence(map(_known, node.items))


def _of_repeat(node: Repeat) -> _Known:
    item = _known(node.item)
    if node.most == 0:
        return _Known(exact=("",))
    if node.least == 0:
        few = node.most == 1 and item.exact is not None
        return _Known(exact=_distinct((*(item.exact or ()), ""))) if few else _Known()
    if node.least == node.most and node.least <= MAX_EXACT:
        return _of_sequence([item] * node.least)
    return _Known(required=_sets_of(item))


def _of_alternation(branches: list[_Known]) -> _Known:
    exact = [branch.exact for branch in branches if branch.exact is not None]
    if len(exact) == len(branches):
        texts = _distinct(text for each in exact for text in each)
        return _Known(exact=texts) if len(texts) <= MAX_EXACT else _Known(required=_all_of(texts))
    required = [_best_of(branch) for branch in branches]
    if not all(required):
        return _Known()
    return _Known(required=_all_of(_distinct(text for each in required for text in each or ())))


def _of_sequence(items: Iterable[_Known]) -> _Known:
    sets: list[Texts] = []
    run: Texts = ("",)  # all texts of the items since the last one that is not exact
    whole = True
    for item in items:
        if item.exact is None:
            sets += (*_all_of(run), *item.required)
            run, whole = ("",), False
        elif len(run) * len(item.exact) <= MAX_EXACT and len(run[0]) < MAX_TEXT:
            run = _distinct(a + b for a in run for b in item.exact)
        else:
            sets += _all_of(run)
            run, whole = item.exact, False
    return _Known(exact=run) if whole else _Known(required=(*sets, *_all_of(run)))


def _all_of(texts: Texts) -> tuple[Texts, ...]:
    usable = _usable(texts)
    return () if usable is None else (usable,)


def _distinct(texts: Iterable[str]) -> Texts:
    return tuple(dict.fromkeys(texts))


class TextTest(NamedTuple):
    """A text predicate without its field."""

    op: Op
    text: str
    cased: bool


def equivalent_texts(pattern: str) -> tuple[TextTest, ...] | None:
    """The text predicates of which one is true exactly where the pattern is found; else None.

    >>> equivalent_texts(r"^C:\\\\(?i:temp)")
    >>> equivalent_texts(r"\\.(exe|dll)$")
    (TextTest(op=<Op.ENDSWITH: 'endswith'>, text='.exe', cased=True), \
TextTest(op=<Op.ENDSWITH: 'endswith'>, text='.dll', cased=True))
    """
    tree = parse(pattern)
    branches = None if tree is None else _branches(tree)
    if branches is None:
        return None
    tests = []
    for branch in branches:
        test = _as_test(_trimmed(branch))
        if test is None:
            return None
        tests.append(test)
    return tuple(dict.fromkeys(tests))


def _branches(node: Regex) -> list[_Branch] | None:
    """The sequences that a part stands for, alternatives multiplied out; None: too many."""
    if isinstance(node, Alternation):
        found: list[_Branch] = []
        for branch in node.branches:
            inner = _branches(branch)
            if inner is None:
                return None
            found += inner
        return found
    if isinstance(node, Sequence):
        return _multiplied(node.items)
    if isinstance(node, Repeat) and (node.least, node.most) == (0, 1):
        inner = _branches(node.item)
        return None if inner is None else [*inner, ()]
    if isinstance(node, Repeat) and node.least == node.most and node.least <= MAX_PRODUCT:
        return _multiplied([node.item] * node.least)
    return [(node,)]


def _multiplied(items: Iterable[Regex]) -> list[_Branch] | None:
    found: list[_Branch] = [()]
    tail: list[Regex] = []  # what all of them go on with
    for item in items:
        inner = _branches(item)
        if inner is None or len(found) * len(inner) > max(MAX_PRODUCT, len(found), len(inner)):
            return None
        if len(inner) == 1:
            tail += inner[0]
        else:
            found, tail = [(*a, *tail, *b) for a, b in product(found, inner)], []
        if len(found) * (len(found[0]) + len(tail)) > MAX_ATOMS:
            return None
    return [(*branch, *tail) for branch in found]


def _trimmed(branch: _Branch) -> _Branch:
    """A branch without what may be empty at its ends, where a search finds it anyway."""
    first, last = 0, len(branch)
    while first < last:
        if _may_be_empty(branch[first]):
            first += 1
        elif (
            _is_edge(branch[first], begin=True)
            and first + 1 < last
            and _is_anything(branch[first + 1])
        ):
            first += 2
        elif _may_be_empty(branch[last - 1]):
            last -= 1
        elif (
            _is_edge(branch[last - 1], begin=False)
            and first + 1 < last
            and _is_anything(branch[last - 2])
        ):
            last -= 2
        else:
            break
    return branch[first:last]


def _may_be_empty(node: Regex) -> bool:
    return isinstance(node, Repeat) and node.least == 0


def _is_edge(node: Regex, *, begin: bool) -> bool:
    return isinstance(node, Edge) and node.begin is begin


def _is_anything(node: Regex) -> bool:
    return isinstance(node, Repeat) and node == Repeat(Dot(newline=True), 0, None)


def _as_test(branch: _Branch) -> TextTest | None:
    begins = bool(branch) and _is_edge(branch[0], begin=True)
    ends = len(branch) > begins and _is_edge(branch[-1], begin=False)
    letters = branch[begins : len(branch) - ends]
    text, folded = "", set()
    for letter in letters:
        if not isinstance(letter, Literal):
            return None
        text += letter.character
        if not is_caseless(letter.character):
            folded.add(letter.folded)
    if len(folded) > 1:
        return None
    cased = folded == {False}
    op = (Op.EQUALS if ends else Op.STARTSWITH) if begins else Op.ENDSWITH if ends else Op.CONTAINS
    return TextTest(op, text if cased else text.lower(), cased)


def is_caseless(text: str) -> bool:
    """Whether no character outside a text folds to one in it: ASCII without letters."""
    return text.isascii() and text.lower() == text.upper()
