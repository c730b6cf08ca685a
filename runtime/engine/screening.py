"""Many texts asked at once whether a pattern is found in them: most of the time in none, which one search tells.

The texts are searched as one, with line breaks between them. What is found in a text is found there too, if `^` and
`$` are made to hold at line breaks; where something is found, the half that it is in is looked at again.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import re2

from sigmac.runtime.scalar.globs import compile_regex

FEW = 8  # texts that are searched one by one
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
