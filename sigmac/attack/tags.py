"""What tags say in the words of MITRE ATT&CK: tactics in the order in which attackers go through them, techniques.

Source: https://attack.mitre.org, enterprise tactics, those that a later version split or renamed too; the tags
appendix of the Sigma specification.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

# `defense-evasion` became the two behind it with version 19.
TACTICS = (
    *("reconnaissance", "resource-development", "initial-access", "execution", "persistence"),
    *("privilege-escalation", "defense-evasion", "stealth", "defense-impairment"),
    *("credential-access", "discovery", "lateral-movement", "collection"),
    *("command-and-control", "exfiltration", "impact"),
)
NO_TACTIC = "no tactic"
PREFIX = "attack."
_TECHNIQUE = re.compile(r"T\d{4}(\.\d{3})?", re.ASCII)


def tactics(tags: Iterable[str]) -> list[str]:
    """The tactics among some tags, in their order.

    >>> tactics(["attack.t1110", "attack.impact", "attack.Credential_Access"])
    ['credential-access', 'impact']
    """
    named = {tag.lower().removeprefix(PREFIX).replace("_", "-") for tag in tags if _is_ours(tag)}
    return [tactic for tactic in TACTICS if tactic in named]


def techniques(tags: Iterable[str]) -> list[str]:
    """The techniques among some tags, as ATT&CK writes them, each once.

    >>> techniques(["attack.t1110.001", "attack.impact", "cve.2021-44228"])
    ['T1110.001']
    """
    named = (tag.lower().removeprefix(PREFIX).upper() for tag in tags if _is_ours(tag))
    return list(dict.fromkeys(filter(is_technique, named)))


def is_technique(name: str) -> bool:
    """Whether a name is one of a technique: `T1110.001`."""
    return _TECHNIQUE.fullmatch(name) is not None


def _is_ours(tag: str) -> bool:
    return tag.lower().startswith(PREFIX)
