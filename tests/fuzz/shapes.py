"""Hostile shapes of records, for the fuzzers and for a test that tries each of them at several sizes.

A shape is a function of a `Random` and a size: about how many elements, keys or letters there are of what is hostile.
It gives the bytes of one line, or of a few. Fields and texts are those that the fuzzers' rules ask for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from random import Random

Shape = Callable[[Random, int], bytes]
_FIELDS = (b"A", b"B", b"N", b"C", b"Z", b"Image", b"CommandLine", b"EventID", b"Size")
_TEXTS = (b"evil", b"evil keyword", b"EVIL.exe", b"x mimikatz y", b"abc", b"5", b"", b"\\\\cmd.exe")
_NUMBERS = (
    *b'1 "1" 1.0 1e0 1E+0 10e-1 0.1e1 100e-2 "1.0" "1e0" "01" "+1" "true" true null "null"'.split(),
    *b'0 -0 -0.0 0e9 "0" "-0" 4624 "4624" 4624.0 4.624e3 5 5.0 0.5e1 1.5 15e-1 1e308 1e-400'.split(),
    *b"9007199254740992 9007199254740993 9007199254740992.0 9223372036854775807".split(),
    *b"-9223372036854775808 -9223372036854775809 18446744073709551615 18446744073709551616".split(),
)
_NO_NUMBERS = tuple(
    b"01 +1 .5 5. -.5 1e 1e+ -- 1e309 -1e400 NaN -Infinity 0x10 1_0 tru nulls".split()
)
_ESCAPES = (b"\\u0065", b"\\u0000", b"\\n", b"\\/", b"\\\\", b'\\"', b"\\ud83d\\ude00", b"\\u212a")
_LONE = (b"\\ud800", b"\\udc00", b"\\udc00\\ud800", b"\\ud800\\u0041", b"\xed\xa0\x80", b"\\uD83D")
_NOT_UTF8 = (
    b"\xff",
    b"\xc3",
    b"\xc0\x80",
    b"\xe2\x84",
    b"\xf4\x90\x80\x80",
    b"\xed\xbf\xbf",
    b"\x80",
)
_BLANK = (b"", b" ", b"\t", b"\r", b" \t\r", b"\0", b"\x0c", b"\xc2\xa0")


def _object(pairs: Iterable[tuple[bytes, bytes]]) -> bytes:
    return b"{" + b",".join(b'"%b":%b' % pair for pair in pairs) + b"}"


def _array(values: Iterable[bytes]) -> bytes:
    return b"[" + b",".join(values) + b"]"


def _text(random: Random) -> bytes:
    return b'"%b"' % random.choice(_TEXTS)


def _field(random: Random, value: bytes) -> bytes:
    """A record in which a field has this value."""
    return _object([(random.choice(_FIELDS), value), (random.choice(_FIELDS), _text(random))])


# Arrays


def different_texts(random: Random, size: int) -> bytes:
    return _field(random, _array([*(b'"v%dx"' % i for i in range(size)), _text(random)]))


def texts_alike_at_both_ends(random: Random, size: int) -> bytes:
    return _field(random, _array(b'"evil %08d evil"' % i for i in range(size)))


def one_text_repeated(random: Random, size: int) -> bytes:
    return _field(random, _array([_text(random)] * size))


def mixed_array(random: Random, size: int) -> bytes:
    kinds = (b"1", b'"1"', b"null", b"true", b"[]", b"{}", b'{"D":"evil"}', b"1.5", b"[[5]]", b'""')
    return _field(random, _array(random.choice(kinds) for _ in range(size)))


def nothing_repeated(random: Random, size: int) -> bytes:
    return _field(random, _array([random.choice((b"[]", b"{}", b"null"))] * size))


def too_many_values(random: Random, size: int) -> bytes:
    return _object([(b"A", b'"evil keyword"'), (b"x", _array([b"0"] * (size + 16_384)))])


# Keys


def many_keys(random: Random, size: int) -> bytes:
    return _object([*((b"k%d" % i, b"1") for i in range(size)), (b"A", _text(random))])


def keys_alike_at_both_ends(random: Random, size: int) -> bytes:
    return _object((b"beginning-%09d-the-end-of-it" % i, _text(random)) for i in range(size))


def keys_equal_but_for_escapes(random: Random, size: int) -> bytes:
    spellings = (b"A", b"\\u0041", b"N", b"\\u004e", b"\\u004E", b"\\/", b"/", b"a\\u002eb", b"a.b")
    return _object((random.choice(spellings), _text(random)) for _ in range(size))


def keys_of_escapes(random: Random, size: int) -> bytes:
    parts = (*_ESCAPES, b"A", b"\xc3\xa9")
    key = b"".join(random.choice(parts) for _ in range(min(size, 300)))
    return _object([(key, _text(random)), (b"A" + key, _text(random)), (b"A", _text(random))])


def duplicate_keys(random: Random, size: int) -> bytes:
    return _object((random.choice(_FIELDS), _text(random)) for _ in range(size))


def empty_keys(random: Random, size: int) -> bytes:
    keys = (b"", b" ", b".", b"..", b"\\u0000")
    return _object((random.choice(keys), _text(random)) for _ in range(size))


def dotted_and_nested_keys(random: Random, size: int) -> bytes:
    inner = (b'{"D":"evil"}', b'{"D":{"E":"evil"},"D.E":null}', b'[{"D":5},{"D":"x"}]', b"null")
    keys = (b"C", b"C.D", b"C.D.E", b"C.", b".D", b"a", b"a.b", b"a.c")
    values = (*inner, b'{"b":"x","c":null}', b'"evil"')
    return _object((random.choice(keys), random.choice(values)) for _ in range(size))


# Values


def numbers_of_every_spelling(random: Random, size: int) -> bytes:
    """One line for each number alone, and one for all of them in an array; some are no JSON."""
    numbers = [random.choice(random.choice((_NUMBERS, _NUMBERS, _NO_NUMBERS))) for _ in range(size)]
    alone = [_field(random, number) for number in numbers[:100]]
    return b"\n".join([*alone, _field(random, _array(random.choices(_NUMBERS, k=size)))])


def huge_numbers(random: Random, size: int) -> bytes:
    sign, digits = random.choice((b"", b"-")), b"9" * size
    tail = random.choice((b"", b".5", b"." + digits, b"e" + digits, b"e-" + digits))
    return _field(random, sign + b"1" + digits + tail)


def texts_of_escapes(random: Random, size: int) -> bytes:
    parts = (*_ESCAPES, b"evil", b"k", b"\\q", b"\\u00")[: random.choice((10, 10, 12))]
    return _field(random, b'"%b"' % b"".join(random.choice(parts) for _ in range(size)))


def lone_surrogates(random: Random, size: int) -> bytes:
    return _field(random, b'"%bevil"' % (b"x" * (size % 70) + random.choice(_LONE)))


def nul_characters(random: Random, size: int) -> bytes:
    nul = random.choice((b"\\u0000", b"\0"))
    return _field(random, b'"evil%b keyword"' % (nul * max(1, size)))


def a_long_text(random: Random, size: int) -> bytes:
    letter = random.choice((b"x", b"\xc3\xa9", b"evi", b"\\u0078", b"\xf0\x9f\x98\x80"))
    return _field(random, b'"%bevil keyword"' % (letter * size))


def not_utf8(random: Random, size: int) -> bytes:
    wrong = random.choice(_NOT_UTF8)
    return random.choice(
        (_field(random, b'"%b%bevil"' % (b"x" * (size % 130), wrong)), wrong * size, b"{}" + wrong)
    )


# Nesting, and lines


def deep_arrays(random: Random, size: int) -> bytes:
    return _field(random, b"[" * size + b'"evil"' + b"]" * (size - random.choice((0, 0, 1))))


def deep_objects(random: Random, size: int) -> bytes:
    return b'{"C":' * size + b'{"D":"evil"}' + b"}" * size


def lines_of_no_json(random: Random, size: int) -> bytes:
    odd = (b'{"A":%d,}', b"{'A':%d}", b'{"A":%d', b"%d", b"[%d]", b'"%d"', b'{"A" %d}', b"{}{%d")
    return b"\n".join(random.choice(odd) % i for i in range(size))


def cut_short(random: Random, size: int) -> bytes:
    whole = random.choice(SHAPES)(random, size) if size < 200 else a_long_text(random, size)
    return whole[: random.randint(0, len(whole))]


def one_letter_repeated(random: Random, size: int) -> bytes:
    return random.choice((b"x", b'"', b"\\", b"{", b"[", b" ", b"\xff", b",")) * size


def byte_order_marks(random: Random, size: int) -> bytes:
    mark, record = b"\xef\xbb\xbf", _field(random, _text(random))
    return random.choice((mark + record, mark * 2 + record, record + mark, b"\n" + mark + record))


def carriage_returns_and_blanks(random: Random, size: int) -> bytes:
    lines = [random.choice((*_BLANK, _field(random, _text(random)))) for _ in range(size)]
    return random.choice((b"\r\n", b"\n", b"\r\r\n")).join(lines)


SHAPES: tuple[Shape, ...] = (
    *(different_texts, texts_alike_at_both_ends, one_text_repeated, mixed_array, nothing_repeated),
    *(too_many_values, many_keys, keys_alike_at_both_ends, keys_equal_but_for_escapes),
    *(keys_of_escapes, duplicate_keys, empty_keys, dotted_and_nested_keys),
    *(numbers_of_every_spelling, huge_numbers, texts_of_escapes, lone_surrogates, nul_characters),
    *(a_long_text, not_utf8, deep_arrays, deep_objects, lines_of_no_json, cut_short),
    *(one_letter_repeated, byte_order_marks, carriage_returns_and_blanks),
)


def shaped(random: Random, most: int = 17_000) -> bytes:
    """One of the shapes, of a size up to `most`: small ones more often."""
    return random.choice(SHAPES)(random, int(most ** random.random() ** 2))


def small_shapes() -> list[bytes]:
    """Each shape at a few small sizes; always the same ones."""
    random = Random(0)
    return [shape(random, size) for shape in SHAPES for size in (3, 60)]
