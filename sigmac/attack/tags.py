"""What tags say in the words of MITRE ATT&CK: tactics in the order in which attackers go through them, techniques.

Source: https://attack.mitre.org, enterprise tactics, those that a later version split or renamed too; the tags
appendix of the Sigma specification.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence

TACTICS = (
    *("reconnaissance", "resource-development", "initial-access", "execution", "persistence"),
    *("privilege-escalation", "defense-evasion", "stealth", "defense-impairment"),
    *("credential-access", "discovery", "lateral-movement", "collection"),
    *("command-and-control", "exfiltration", "impact"),
)
NO_TACTIC = "no tactic"
_PREFIX = "attack."
_TECHNIQUE = re.compile(r"t\d{4}(\.\d{3})?", re.ASCII)


def tactics(tags: Iterable[str]) -> list[str]:
    """The tactics among some tags, in their order.

    >>> tactics(["attack.t1110", "attack.impact", "attack.Credential_Access"])
    ['credential-access', 'impact']
    """
    named = {tag.lower().removeprefix(_PREFIX).replace("_", "-") for tag in tags if _is_ours(tag)}
    return [tactic for tactic in TACTICS if tactic in named]


def techniques(tags: Iterable[str]) -> list[str]:
    """The techniques among some tags, as ATT&CK writes them, each once.

    >>> techniques(["attack.t1110.001", "attack.impact", "cve.2021-44228"])
    ['T1110.001']
    """
    named = (tag.lower().removeprefix(_PREFIX) for tag in tags if _is_ours(tag))
    return list(dict.fromkeys(name.upper() for name in named if _TECHNIQUE.fullmatch(name)))


def _is_ours(tag: str) -> bool:
    return tag.lower().startswith(_PREFIX)


class Matrix:
    """Under which tactics each technique stands, as rules together say it.

    A rule of several tactics does not say which of them a technique is of: there it stands under those tactics that at
    least half of the rules with this technique name, or the one that most of them do.
    """

    def __init__(self, rules: Iterable[Sequence[str]]) -> None:
        """`rules` are the tags of each."""
        self._rules: Counter[str] = Counter()  # that name a technique
        self._named: dict[str, Counter[str]] = {}  # with the tactics that they name
        for tags in rules:
            named = tactics(tags)
            if not named:
                continue
            for technique in techniques(tags):
                self._rules[technique] += 1
                self._named.setdefault(technique, Counter()).update(named)

    def cells(self, tags: Sequence[str]) -> list[tuple[str, str]]:
        """The tactics and techniques that a rule's tags put it under; those without a tactic under `NO_TACTIC`.

        >>> both = ["attack.execution", "attack.credential-access", "attack.t1003"]
        >>> Matrix([both, ["attack.credential-access", "attack.t1003"], both[1:]]).cells(both)
        [('credential-access', 'T1003')]
        """
        named = tactics(tags)
        if not named:
            return [(NO_TACTIC, technique) for technique in techniques(tags)]
        found = []
        for technique in techniques(tags):
            counts = self._named.get(technique, Counter())
            most = max((counts[tactic] for tactic in named), default=0)
            least = min(most, self._rules[technique] / 2)
            found += [(tactic, technique) for tactic in named if counts[tactic] >= least]
        return found
