"""One pack that asks every kind of question."""

from __future__ import annotations

import pytest

from sigmac.runtime import Pack
from tests.unit.packs import make_pack, rule

RULES = "---\n".join(
    [
        rule(
            """
            sel:
              Image|endswith: '\\whoami.exe'
              User|contains: [AUTHORI, AUTORI]
            filter: {Parent: 'C:\\agent.exe'}
            condition: sel and not filter
            """,
            title="Whoami",
            logsource="product: windows, category: process_creation",
            id="80167ada-7a12-41ed-b8e9-aa47195c66a1",
            level="high",
            tags="[attack.t1033]",
        ),
        rule("words: ['sudo *root', 4625]\ncondition: words", "Words", "product: linux"),
        rule("s: {Port|gt: 1024}\nt: {Port: 80}\ncondition: [s, t]", "Ports", "category: network"),
        rule("s: {Address|cidr: [10.0.0.0/8, 'fe80::/10']}\ncondition: s", "Inside"),
        rule("s: {Time|hour|gte: 22}\ncondition: s", "Night"),
        rule("s: {Path|re: '(?i)evil[0-9]+$', Path|re|neq: good}\ncondition: s", "Pattern"),
        rule("s: {Name|fieldref: Other}\ncondition: s", "Same"),
        rule("s: {a.b|exists: true, Gone: null}\ncondition: s", "Present"),
        rule(
            "s: {Cased|cased|contains: Foo, Line|contains|windash: ' -x?y'}\ncondition: s", "Glob"
        ),
        rule("s: {Image|neq: x}\ncondition: s", "Else", "service: other"),
    ]
)


@pytest.fixture(scope="session")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Pack:
    return make_pack(RULES, tmp_path_factory.mktemp("questions"))
