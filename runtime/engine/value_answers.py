"""What only Python can answer of a value, answered: what the kernels ask while they evaluate a record.

Most is a pattern, of a new value or two. Where many texts are asked at once, as hostile records do, most of the time
the pattern is found in none, which one search tells: the texts are searched as one, with line breaks between them. What
is found in a text is found there too, if `^` and `$` are made to hold at line breaks; where something is found, the
half that it is in is looked at again.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import orjson
import re2
from numpy.typing import NDArray

from sigmac.runtime.distinct import distinct
from sigmac.runtime.engine import layout
from sigmac.runtime.engine.kernel_tables import Question
from sigmac.runtime.engine.layout import Programs, Scratch
from sigmac.runtime.scalar.event import BriefEvent
from sigmac.runtime.scalar.globs import Needs, compile_regex, needs_of_glob, needs_of_regex
from sigmac.runtime.scalar.vocabulary import LongLine, Vocabulary

FEW = 8  # texts that are searched one by one
_QUOTE, _BACKSLASH = ord('"'), b"\\"
Test = Callable[[Any], bool]
# What would not hold in the middle of other texts, or can switch off that it does
_OF_WHOLE_TEXTS = re.compile(r"\\[AzZ]|\(\?[a-zA-Z]*-")
_ANCHORS = re.compile(r"[$^]")


class Screen:
    """Rules texts out in which none of some patterns can be found; it never rules out one in which one is."""

    def __init__(self, patterns: Sequence[str]):
        self.fits = bool(patterns) and not any(map(_OF_WHOLE_TEXTS.search, patterns))
        self._anchored = any(map(_ANCHORS.search, patterns))
        self._patterns: list[Any] = []
        if self.fits:
            try:
                self._patterns = [compile_regex(f"(?m:{each})") for each in patterns]
            except re2.error:
                self.fits = False

    def ruled_out(self, texts: Sequence[bytes]) -> list[bool]:
        """For each text whether no pattern is found in it; False where it is not known."""
        out = [False] * len(texts)
        # With a line break of its own a text is several for an anchor.
        places = [i for i, text in enumerate(texts) if not (self._anchored and b"\n" in text)]
        left = [places]
        while left:
            some = left.pop()
            if len(some) < FEW:
                continue
            joined = b"\n".join([texts[i] for i in some])
            if any(each.search(joined) is not None for each in self._patterns):
                half = len(some) // 2
                left += [some[:half], some[half:]]
            else:
                for i in some:
                    out[i] = True
        return out


class Answers:
    """Answers the `questions` that the kernels ask in `scratch`, and says in `programs` what each needs."""

    def __init__(
        self,
        questions: Sequence[Question],
        vocabulary: Vocabulary,
        programs: Programs,
        scratch: Scratch,
    ):
        self._questions = questions
        self._programs = programs
        self._vocabulary = vocabulary
        self._scratch = scratch
        self._words = scratch.asked.data  # of which single ones are read and written in no time
        self._tests: dict[int, Test] = {}  # by the numbers of questions
        self._screens: dict[int, Screen] = {}

    def answer(self, data: bytes, offset: int) -> int:
        """Answer all that is asked of values that stand in `data` from `offset` on; returns how many questions."""
        scratch = self._scratch
        count = int(scratch.sizes[layout.ASKED])
        if count < FEW:
            self._answer_few(count, data, offset)
        else:
            asked = scratch.asked[: 4 * count].reshape(-1, 4)
            ruled_out = self._ruled_out(asked, data, offset)
            asked[ruled_out, 2] = ~asked[ruled_out, 2]
            left = np.flatnonzero(~ruled_out)
            self._answer_each(asked[left].tolist(), left.tolist(), data, offset)
            asked[:] = asked[np.argsort(asked[:, 0], kind="stable")]
        scratch.sizes[layout.ASKED], scratch.sizes[layout.REPLIED] = 0, count
        return count

    def _answer_few(self, count: int, data: bytes, offset: int) -> None:
        words = self._words
        flat = words[: 4 * count].tolist()
        # In the order of values, as the kernels look answers up
        rows = sorted([flat[at : at + 4] for at in range(0, 4 * count, 4)], key=_start_of)
        for i, row in enumerate(rows):
            for at, word in enumerate(row, 4 * i):
                words[at] = word
        self._answer_each(rows, range(count), data, offset)

    def _answer_each(
        self, rows: Sequence[list[int]], places: Sequence[int], data: bytes, offset: int
    ) -> None:
        """Answer questions, given as what `scratch.asked` has of them and their places there."""
        words, tests = self._words, self._tests
        values: dict[int, Any] = {}
        for (start, stop, field, which), place in zip(rows, places, strict=True):
            value = values.get(start)
            if value is None:
                value = values[start] = value_of(data, offset + start, offset + stop)
            test = tests.get(which)
            if test is None:
                test = tests[which] = self._meet(which)
            if not test(value):
                words[4 * place + 2] = ~field

    def _meet(self, which: int) -> Test:
        """The test of a question that is asked for the first time; of other values it may not be asked at all."""
        question = self._questions[which]
        needs = needs_of(question)
        self._programs.value_byte[which] = ord(needs.character or "\0")
        self._programs.value_least[which] = needs.least
        return test_of(question, self._vocabulary)

    def _ruled_out(self, asked: NDArray[np.int64], data: bytes, offset: int) -> NDArray[np.bool_]:
        """Which questions are answered with no, as one search over all their texts says."""
        out = np.zeros(len(asked), bool)
        _, first, text_of = np.unique(asked[:, 0], return_index=True, return_inverse=True)
        starts, stops = asked[first, 0] + offset, asked[first, 1] + offset
        texts = [data[i:j] for i, j in zip(starts.tolist(), stops.tolist(), strict=True)]
        # Only strings that are written as they are: others are read first.
        plain = np.frombuffer(data, np.uint8)[np.minimum(stops, len(data) - 1)] == _QUOTE
        if any(_BACKSLASH in text for text in texts):
            plain &= np.array([_BACKSLASH not in text for text in texts])
        for which in distinct(asked[:, 3]).tolist():
            screen = self._screen(which)
            rows = np.flatnonzero((asked[:, 3] == which) & plain[text_of])
            if screen.fits and len(rows) >= FEW:
                out[rows] = screen.ruled_out([texts[i] for i in text_of[rows].tolist()])
        return out

    def _screen(self, which: int) -> Screen:
        screen = self._screens.get(which)
        if screen is None:
            question = self._questions[which]
            patterns = map(str, question.arguments if question.method == "regex" else ())
            screen = self._screens[which] = Screen([*patterns])
        return screen


def _start_of(row: list[int]) -> int:
    return row[0]


def value_of(data: bytes, start: int, stop: int) -> Any:
    """The JSON value `data[start:stop]`, of a string without its quotes."""
    text = data[start:stop]
    # A string is known by the quote behind it: behind other values there is none.
    if data[stop] != _QUOTE:
        return orjson.loads(text)
    return orjson.loads(b'"%b"' % text) if _BACKSLASH in text else text.decode()


def needs_of(question: Question) -> Needs:
    """What a text must have for a question about it to be answered with yes."""
    if question.method == "regex":
        each = [needs_of_regex(str(pattern)) for pattern in question.arguments]
    elif question.method == "like":
        each = [needs_of_glob(str(glob)) for glob in question.arguments]
    else:
        each = []
    return each[0] if len(each) == 1 else Needs(0, "")


def test_of(question: Question, vocabulary: Vocabulary) -> Test:
    """A function that tells whether a value is what a question asks for; of a text without an event for it."""
    field, method, arguments = question.field, question.method, question.arguments

    def holds(value: Any) -> bool:
        event = BriefEvent({field: value}, vocabulary)
        return bool(getattr(event, method)(field, *arguments))

    if method == "regex":
        return _found([str(each) for each in arguments], (), vocabulary, holds)
    if method == "like" and len(arguments) == 1:
        how = vocabulary.plan(str(arguments[0]))
        if not how.test:
            return _found([how.regex], how.literals, vocabulary, holds, vocabulary.fold)
    return holds


def _found(
    patterns: Sequence[str],
    literals: Sequence[str],
    vocabulary: Vocabulary,
    otherwise: Test,
    fold: Callable[[str], str] | None = None,
) -> Test:
    """Whether one of some patterns is found in a text, and one of some literals if there are any."""
    searches = [vocabulary.regex(pattern) for pattern in patterns]

    def holds(value: Any) -> bool:
        if value.__class__ is not str:
            return otherwise(value)
        text = value if fold is None else fold(value)
        if literals and not any(each in text for each in literals):
            return False
        # Of bytes a search need not say at which characters something was found.
        data = text.encode()
        return any(
            each.search(text if each.__class__ is LongLine else data) is not None
            for each in searches
        )

    return holds
