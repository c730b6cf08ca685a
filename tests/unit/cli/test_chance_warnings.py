"""What `sigmac run` says at its end of rules that had no chance."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from sigmac.cli.run import run
from tests.unit.packs import rule, write_text_pack

GCP = "---\n".join(
    [
        *(
            rule(f"s: {{gcp.audit.method_name: m{i}}}\ncondition: s", f"Methods {i}", "product: gcp")
            for i in range(3)
        ),
        rule("s: {protoPayload.serviceName: x}\ncondition: s", "Services", "product: gcp"),
    ]
)  # fmt: skip
WINDOWS = rule("s: {Image: x}\ncondition: s", "P", "product: windows, category: process_creation")
OTHERS = "---\n".join(
    [
        rule("s: {Image: x}\ncondition: s", "Found", "product: linux"),
        rule("f: {id.orig_h|cidr: 10.0.0.0/8}\ncondition: not f", "Noise", "product: linux"),
        rule("s: {Lost: x}\ncondition: s", "Lost", "product: linux"),
    ]
)
AUDIT = {"protoPayload": {"methodName": "m", "serviceName": "s"}, "logName": "c"}
SEE = "; see `sigmac fields`"


@pytest.fixture(scope="module")
def packs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("packs")
    return {
        "gcp": write_text_pack(GCP, folder / "gcp"),
        "windows": write_text_pack(WINDOWS, folder / "windows", pipelines=["windows"]),
        "others": write_text_pack(OTHERS, folder / "others"),
    }


def told(pack: Path, events: list[dict[str, Any]], *options: str) -> list[str]:
    """The lines on standard error that are warnings, or say what events look like."""
    data = "\n".join(map(json.dumps, events))
    done = CliRunner().invoke(run, [str(pack), "-", *options], input=data, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    lines = done.stderr.splitlines()
    return [line for line in lines if line.startswith("warning: ") or " of the first " in line]


@pytest.mark.parametrize(("count", "events"), [(1, "1 event"), (200, "200 events")])
def test_fields_that_no_event_has(packs: dict[str, Path], count: int, events: str) -> None:
    assert told(packs["gcp"], [AUDIT] * count) == [
        "warning: 3 of 4 rules can never match these events, as none has fields that they ask for: "
        f"gcp.audit.method_name (did you mean protoPayload.methodName?){SEE}",
        f"{count} of the first {events}: they look like those that the pipeline gcp is for: "
        "build with --pipeline gcp",
    ]


def test_one_event_that_has_them_is_enough(packs: dict[str, Path]) -> None:
    assert told(packs["gcp"], [*[AUDIT] * 200, {"gcp": {"audit": {"method_name": "x"}}}]) == []


def test_only_rules_that_are_meant_are_counted(packs: dict[str, Path]) -> None:
    assert told(packs["gcp"], [{"a": 1}], "--logsource", "product=gcp")[0].startswith(
        "warning: 4 of 4 rules can never match these events"
    )


@pytest.mark.parametrize(
    ("event", "said"),
    [
        (
            {"winlog": {"channel": "x", "event_id": 1}, "process": {"executable": "y"}},
            "Channel (did you mean winlog.channel?), EventID (did you mean winlog.event_id?)",
        ),
        ({"n": 1, "doc": {"Channel": "x", "EventID": 1, "Image": "y"}}, "give --select 'doc'"),
    ],
)
def test_events_of_another_schema(packs: dict[str, Path], event: Any, said: str) -> None:
    assert said in "\n".join(told(packs["windows"], [event]))


def test_events_that_no_rule_is_for(packs: dict[str, Path]) -> None:
    assert told(packs["windows"], [{"Channel": "System", "EventID": 7036}]) == [
        f"warning: no rule of test is for any of these events{SEE}"
    ]


def test_a_rule_that_matches_all(packs: dict[str, Path]) -> None:
    noise = (
        "warning: Noise matches every event that it looks at, as none has id.orig_h, "
        f"by which it would exclude some{SEE}"
    )
    # Of a few events, in which something was found, it says little that one field is in none.
    assert told(packs["others"], [{"Image": "x"}]) == [noise]
    assert told(packs["others"], [{"Image": "x"}] * 100) == [
        noise,
        f"warning: 1 of 3 rules can never match these events, as none has fields that they ask for: Lost{SEE}",
    ]
    assert told(packs["others"], [{"Image": "x", "id.orig_h": "::1"}]) == []


def test_nothing_is_said_of_nothing(packs: dict[str, Path]) -> None:
    assert told(packs["gcp"], []) == []
    assert told(packs["gcp"], [AUDIT], "-q") == []


def test_names_are_shown_not_obeyed(packs: dict[str, Path]) -> None:
    name = "gcp.audit.\x1b[2Jmethodname"
    assert "(did you mean gcp.audit.\\x1b[2Jmethodname?)" in told(packs["gcp"], [{name: 1}])[0]
