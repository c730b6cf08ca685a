"""Pictures as Mermaid's flowcharts (https://mermaid.js.org), which merge requests and Markdown show."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from sigmac.pages.rule_picture import Box, walked

_PLAIN = frozenset(" .,_-/=+'()[]")
# Colours that are told apart on light and on dark
_CLASSES = (
    "yes fill:#d5f2dd,stroke:#1b7a3d,color:#0b2e16",
    "no fill:#f9dcdf,stroke:#b3263b,color:#3d0a12",
    "absent fill:#eceef1,stroke:#6b7683,color:#1b1f24,stroke-dasharray:4",
    "more fill:#ffffff,stroke:#6b7683,color:#1b1f24",
)


def mermaid(pictures: Iterable[Box]) -> str:
    """One flowchart of all pictures. Text of rules and events stands in it as character codes wherever it could be
    more than text.
    """
    return "\n".join(("flowchart LR", *_lines(pictures))) + "\n"


def _lines(pictures: Iterable[Box]) -> Iterator[str]:
    yield from (f"  classDef {each}" for each in _CLASSES)
    number = 0
    for picture in pictures:
        above: list[int] = []
        for box, depth in walked(picture):
            del above[depth:]
            words = box.text if not box.note else f"{box.text}: {box.note}"
            text = _coded(f"{_MARKS[box.truth]}{words}")
            yield f'  n{number}["{text}"]:::{class_of(box)}'
            if above:
                yield f"  n{above[-1]} --> n{number}"
            above.append(number)
            number += 1


_MARKS = {True: "✓ ", False: "✗ ", None: ""}


def class_of(box: Box) -> str:
    """How a box is shown: true, false, false as its field is absent, or several that are left out."""
    if box.truth is None:
        return "more"
    if box.truth:
        return "yes"
    return "absent" if box.absent else "no"


def _coded(text: str) -> str:
    return "".join(
        char if char.isalnum() or char in _PLAIN or char in "✓✗…" else f"#{ord(char)};"
        for char in text
    )
