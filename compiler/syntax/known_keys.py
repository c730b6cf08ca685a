"""The keys that the specification knows, and what is remarkable about one that it does not.

Any other key is kept as a custom attribute: so a slip of the pen would be one too, in silence.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Mapping

SHARED = (
    *("title", "id", "related", "name", "taxonomy", "status", "description", "license", "author"),
    *("references", "date", "modified", "fields", "falsepositives", "level", "tags", "scope"),
    "sigma-version",
)
# As SigmaHQ has them; other keys have no usual place. Source: its rule conventions.
USUAL_ORDER = (
    *("title", "id", "related", "status", "description", "references", "author", "date"),
    *("modified", "tags", "logsource", "detection", "correlation", "filter", "fields"),
    *("falsepositives", "level"),
)
CASES_KEY = "cases"  # beside a rule's metadata: what `sigmac test` judges, no part of the rule
LOGSOURCE = ("category", "product", "service", "definition")
# What stands inside the map of this name, by the kind of document that has it.
INSIDE: Mapping[str, tuple[str, ...]] = {
    "detection": ("condition", "timeframe"),
    "correlation": (
        *("type", "rules", "timespan", "group-by", "aliases", "condition", "generate"),
    ),
    "filter": ("rules", "condition"),
}
_TOP: Mapping[str, tuple[str, ...]] = {
    "detection": (*SHARED, "logsource", "detection", "action"),
    "correlation": (*SHARED, "correlation", "generate", "action"),
    "filter": (*SHARED, "logsource", "filter", "action"),
}
_SELECTION = re.compile(r"(?:selection|filter|keywords)(?:_|\d|\Z)")


def near(key: str, known: Collection[str]) -> str:
    """The known key that a word was surely meant to be, or `""`: it differs by letter case or a letter or two."""
    folded = key.strip().lower().replace("_", "-")
    if folded in known:
        return folded
    found = difflib.get_close_matches(folded[:100], known, n=1, cutoff=0.84)
    return found[0] if found else ""


def remark(key: str, kind: str) -> tuple[str, str]:
    """Message and hint about a custom key beside `detection`, `correlation` or `filter` (the kind); both `""`
    where it is nobody's slip.

    >>> remark("falsepositive", "detection")
    ('`falsepositive` is no key of a rule, and nearly `falsepositives`', 'write `falsepositives`')
    >>> remark("condition", "detection")[0]
    '`condition` stands beside `detection`, where it has no effect'
    >>> remark("regression_tests_path", "detection")
    ('', '')
    """
    shown = key[:60]
    inner = kind if key in INSIDE[kind] else ""
    if kind != "correlation":
        inner = "logsource" if key in LOGSOURCE else inner
        inner = kind if _SELECTION.match(key) else inner
    if inner:
        message = f"`{shown}` stands beside `{inner}`, where it has no effect"
        return message, f"indent it: its place is inside `{inner}`"
    known = near(key, _TOP[kind])
    if known:
        message = f"`{shown}` is no key of a rule, and nearly `{known}`"
        return message, f"write `{known}`"
    return "", ""
