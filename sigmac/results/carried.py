"""The names of what results carry on request."""

from __future__ import annotations

OF_EVENTS = ("time", "host", "user", "fields")
OF_RULES = (
    *("logsource", "file", "description", "status", "author", "references", "falsepositives"),
)
NAMES = (*OF_EVENTS, *OF_RULES)
