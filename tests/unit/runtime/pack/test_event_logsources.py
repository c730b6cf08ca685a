"""What events say of their logsource: one table, in the pack, asked by every path alike."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sigmac.runtime import Pack
from sigmac.runtime.pack.event_logsources import EVENT_LOGSOURCES
from tests.unit.packs import make_pack, rule

WINDOWS = {"product": "windows"}
EVENTS: list[tuple[dict[str, Any], dict[str, str] | None]] = [
    ({"Channel": "Security", "EventID": 4624}, WINDOWS),
    ({"Channel": "Linux-Sysmon/Operational", "EventID": 1}, {"product": "linux"}),
    ({"Channel": "Security"}, None),
    ({"Provider_Guid": "{6ad5}", "EventID": 6}, WINDOWS),
    ({"winlog": {"channel": "Security"}}, WINDOWS),
    ({"winlog.channel": "Security"}, WINDOWS),
    ({"log_name": "Security", "event_id": 1, "source_name": "x"}, WINDOWS),
    ({"_path": "dns", "query": "a"}, {"product": "zeek", "service": "dns"}),
    ({"@stream": "rdp", "@proc": "zeek"}, {"product": "zeek", "service": "rdp"}),
    ({"@stream": "stats", "@proc": "zeek"}, {"product": "zeek", "service": "other"}),
    ({"@stream": "rdp"}, None),
    ({"_path": "other", "id.orig_h": "10.0.0.1", "id.resp_h": "10.0.0.2"}, {"product": "zeek"}),
    (
        {"eventSource": "iam.amazonaws.com", "awsRegion": "us-east-1"},
        {"product": "aws", "service": "cloudtrail"},
    ),
    ({"eventSource": "SecurityComplianceCenter"}, None),
    (
        {"category": "SignInLogs", "operationName": "Sign-in activity"},
        {"product": "azure", "service": "signinlogs"},
    ),
    (
        {"category": "Administrative", "operationName": "x"},
        {"product": "azure", "service": "activitylogs"},
    ),
    ({"protoPayload": {"serviceName": "a", "methodName": "b"}}, {"product": "gcp"}),
    (
        {"apiVersion": "audit.k8s.io/v1", "verb": "get"},
        {"product": "kubernetes", "service": "audit"},
    ),
    (
        {"outcome": {"result": "SUCCESS"}, "debugContext": {"debugData": {}}},
        {"product": "okta", "service": "okta"},
    ),
    ({"Workload": "Exchange", "RecordType": 1, "Operation": "x"}, {"product": "m365"}),
    ({"message": "hello"}, None),
]


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Pack:
    kinds = sorted({*(tuple(each.logsource.items()) for each in EVENT_LOGSOURCES), ()})
    rules = [
        rule(
            "s: {never: x}\ncondition: not s",
            f"rule {i}",
            ", ".join(f"{k}: {v}" for k, v in kind) or "category: any",
        )
        for i, kind in enumerate(kinds)
    ]
    return make_pack("---\n".join(rules), tmp_path_factory.mktemp("pack"))


def titles(pack: Pack, event: dict[str, Any], logsource: Any) -> list[str]:
    return [match.rule.title for match in pack.match(event, logsource=logsource)]


@pytest.mark.parametrize(("event", "logsource"), EVENTS, ids=str)
def test_an_event_says_what_it_is(
    pack: Pack, event: dict[str, Any], logsource: dict[str, str] | None
) -> None:
    assert pack.logsource_of(event) == logsource
    expected = titles(pack, event, logsource)
    assert titles(pack, event, "auto") == expected
    assert (logsource is None) == (len(expected) == len(pack))
    for found in (pack.match_batch, pack.match_each):
        rules = found(orjson.dumps(event), logsource="auto").rule.tolist()
        assert [pack.rules[i].title for i in rules] == expected


def test_every_one_of_the_table_is_met() -> None:
    told = {tuple((logsource or {}).items()) for _, logsource in EVENTS}
    services = {("product", "zeek"), ("product", "azure")}
    for each in EVENT_LOGSOURCES:
        key = tuple(each.logsource.items())
        assert key in told or key[0] in services, each.title


@given(st.lists(st.sampled_from([event for event, _ in EVENTS]), max_size=40))
def test_a_batch_may_be_of_all_kinds(pack: Pack, events: list[dict[str, Any]]) -> None:
    for tag in ("auto", None, WINDOWS):
        result = pack.match_batch(events, logsource=tag)
        for number, event in enumerate(events):
            rules = result.rule[result.record == number].tolist()
            assert [pack.rules[i].title for i in rules] == titles(pack, event, tag)


def test_what_is_merged_of_two_kinds_is_the_first(pack: Pack) -> None:
    event = {"_path": "dns", "Channel": "x", "EventID": 1}
    assert pack.logsource_of(event) == WINDOWS


def test_any_other_word_is_refused(pack: Pack) -> None:
    with pytest.raises(ValueError, match="'auto', not 'windows'"):
        pack.match({}, logsource="windows")  # type: ignore[arg-type]
