"""Cases as YAML, for whoever makes events: what `read_cases` reads again as the same."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import yaml

_Dumper: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


class _Plain(_Dumper):  # type: ignore[misc]
    """Writes an event that stands twice twice: whoever changes one shall not change the other."""

    def ignore_aliases(self, data: object) -> bool:
        return True


def format_cases(
    rule: str | None,
    match: Iterable[tuple[str, Mapping[str, Any]]],
    no_match: Iterable[tuple[str, Mapping[str, Any]]],
) -> str:
    """A document of cases: each a reason and an event of what JSON knows.

    `rule` is the id, name or title of the rule; with None the document must stand where `docs/cases.md` says. Several
    documents of one file are joined by `---` lines.
    """
    said: dict[str, Any] = {} if rule is None else {"rule": rule}
    for key, cases in (("match", match), ("no_match", no_match)):
        if listed := [{"why": why, "event": event} for why, event in cases]:
            said[key] = listed
    text: str = yaml.dump(said, Dumper=_Plain, sort_keys=False, allow_unicode=True, width=120)
    return text
