"""`sigmac check` and `sigmac build` say the same errors and warnings of the same files; notes are check's alone, and
what is said of cases, which are no part of a pack."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from sigmac.compiler.checks.checker import check_sources
from sigmac.compiler.diagnostics.catalogue import catalogue, completed
from sigmac.compiler.packaging.build import BuildOptions, compile_sources
from sigmac.compiler.packaging.build_cache import Cache
from sigmac.compiler.syntax.rule_files import find_sources

RULE = """\
title: Failed Logon
id: 80167ada-7a12-41ed-b8e9-aa47195c66a1
name: failed
logsource: {product: windows, service: security}
detection: {s: {EventID: 4625}, condition: s}
"""
CORRELATION = """\
title: Many
correlation: {type: event_count, rules: [failed], group-by: [u], timespan: 5m, condition: {gte: 5}}
"""
SETS = {
    "a correlation": [RULE, CORRELATION],
    "an id, a title and a detection twice": [RULE, RULE.replace("failed", "other"), RULE],
    "a rule that a pipeline refuses, and what refers to it": [
        RULE.replace("EventID: 4625", "'User|expand': '%u%'"),
        CORRELATION,
        RULE.replace("failed", "other").replace("4625", "4624"),
    ],
    "a rule refused as a whole, related to itself": [
        RULE + "related: [{id: 80167ada-7a12-41ed-b8e9-aa47195c66a1, type: similar}]\n",
        RULE.replace("EventID:", "EventID|has:"),
    ],
    "field names in two letter cases": [
        RULE.replace("80167", "90167"),
        RULE.replace("EventID", "eventid").replace("Failed", "Other").replace("4625", "1"),
    ],
}
EXAMPLES = {
    code: [completed(check.bad)]
    for code, check in catalogue().items()
    if "transformations:" not in check.bad
}


@pytest.mark.parametrize(("name", "texts"), {**SETS, **EXAMPLES}.items(), ids=lambda e: str(e)[:40])
@pytest.mark.parametrize("pipelines", [(), ("windows",)], ids=["plain", "windows"])
def test_check_and_build_say_the_same(
    name: str, texts: list[str], pipelines: tuple[str, ...], tmp_path: Path
) -> None:
    for number, text in enumerate(texts):
        (tmp_path / f"{number}.yml").write_text(text, encoding="utf-8")
    sources = find_sources([tmp_path])
    checked = [
        d
        for d in check_sources(sources, pipelines)
        if d.severity != "note" and not re.match("[EW]_CASE(_|$)", d.code)
    ]
    options = BuildOptions("pack", pipelines=pipelines, skip_errors=True, jobs=1)
    built = compile_sources(sources, options, Cache(None)).diagnostics
    assert {d.severity for d in built} <= {"error", "warning"}
    assert set(built) == set(checked)
