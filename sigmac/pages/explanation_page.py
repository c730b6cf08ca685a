"""Pictures of rules over an event as an HTML page, which needs no script."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sigmac.pages.html_page import render_plain
from sigmac.pages.mermaid import class_of
from sigmac.pages.rule_picture import Box, walked

_OPEN = 6  # children up to which a part that is not true is shown with them


def explanation_page(pictures: Sequence[Box]) -> bytes:
    """The page of some pictures; the same for the same pictures."""
    title = pictures[0].text if len(pictures) == 1 else f"{len(pictures)} rules over an event"
    return render_plain("explanation", title, pictures=[[*_steps(each)] for each in pictures])


def _steps(picture: Box) -> Iterator[dict[str, Any]]:
    """Each box with how many lists end before it: a template that called itself could not go as deep as a rule."""
    before = 0
    for box, depth in walked(picture):
        yield {
            "up": max(0, before - depth),
            "box": box,
            "shown_as": class_of(box),
            "open": bool(box.truth) or len(box.children) <= _OPEN or depth < 3,
        }
        before = depth + bool(box.children)
    yield {"up": before, "box": None}
