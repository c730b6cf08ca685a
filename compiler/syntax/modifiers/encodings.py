"""Strings as UTF-16 and base64, and where in a value they stand: the last steps of a chain of modifiers."""

from __future__ import annotations

import base64
import itertools
from collections.abc import Iterator

from sigmac.compiler.ir.values import (
    ANY,
    DASH,
    DASHES,
    Alternatives,
    Part,
    Text,
    Value,
    join,
)
from sigmac.compiler.syntax.modifiers.modifiers import BASE64, PLACEMENTS, UTF16, ModifierError

MAX_ENCODED_DASHES = 200
MAX_ENCODED = 2_000_000  # characters of a value in all its forms


def finish(parts: tuple[Part, ...], chain: tuple[str, ...], cased: bool) -> Value:
    """Apply encodings and placement to a string whose placeholders are replaced.

    Raises `ModifierError` (`E_ENCODING`) for what cannot be encoded.
    """
    forms: list[tuple[Part, ...]] = [parts]
    encodings = [name for name in chain if name in BASE64 or name in UTF16]
    if encodings:
        _bound_variants(parts)
        forms = [
            (text,) if text else ()
            for variant in _dash_variants(parts)
            for text in _encode(variant, encodings)
        ]
    for name in chain:
        if name in PLACEMENTS:
            forms = [_place(form, name) for form in forms]
    texts = tuple(Text(form, cased) for form in dict.fromkeys(forms))
    return texts[0] if len(texts) == 1 else Alternatives(texts)


def _place(parts: tuple[Part, ...], placement: str) -> tuple[Part, ...]:
    front = (ANY,) if placement in ("contains", "endswith") else ()
    back = (ANY,) if placement in ("contains", "startswith") else ()
    return join((*front, *parts, *back))


def _bound_variants(parts: tuple[Part, ...]) -> None:
    sites = sum(part is DASH for part in parts)
    variants = len(DASHES) ** min(sites, 8)
    if variants > MAX_ENCODED_DASHES:
        message = f"{sites} dashes before an encoding make more than {MAX_ENCODED_DASHES} values"
        raise ModifierError("E_ENCODING", message)
    if sites and variants * sum(len(part) for part in parts if isinstance(part, str)) > MAX_ENCODED:
        raise ModifierError(
            "E_ENCODING", "the value is too long to be encoded with each kind of dash"
        )


def _dash_variants(parts: tuple[Part, ...]) -> Iterator[str]:
    sites = sum(part is DASH for part in parts)
    for dashes in itertools.product(DASHES, repeat=sites):
        left = iter(dashes)
        text = [next(left) if part is DASH else part for part in parts]
        if not all(isinstance(piece, str) for piece in text):
            hint = r"write \* or \? for the character itself"
            raise ModifierError("E_ENCODING", "a wildcard cannot be encoded", hint)
        yield "".join(map(str, text))


_CODECS = {
    "wide": "utf-16-le",
    "utf16le": "utf-16-le",
    "utf16be": "utf-16-be",
    "utf16": "utf-16-le",
}


def _encode(text: str, encodings: list[str]) -> list[str]:
    try:
        data = [text.encode(_CODECS.get(encodings[0], "utf-8"))]
    except UnicodeEncodeError:
        raise ModifierError("E_ENCODING", "a lone surrogate cannot be encoded") from None
    if encodings[0] == "utf16":
        data = [b"\xff\xfe" + data[0]]
    if encodings[-1] in UTF16:
        if not text.isascii():
            message = "a UTF-16 form of non-ASCII text can only stand before base64"
            raise ModifierError("E_ENCODING", message)
        return [data[0].decode("latin-1")]
    for name in encodings:
        if name == "base64":
            data = [base64.b64encode(piece) for piece in data]
        elif name == "base64offset":
            data = [_base64_at(piece, shift) for piece in data for shift in range(3)]
    return [piece.decode("ascii") for piece in data]


def _base64_at(data: bytes, shift: int) -> bytes:
    """The characters of base64 that are the same whatever stands before (at this shift) and after the data."""
    encoded = base64.b64encode(bytes(shift) + data)
    tail = (0, 3, 2)[(len(data) + shift) % 3]
    return encoded[(0, 2, 3)[shift] : len(encoded) - tail]
