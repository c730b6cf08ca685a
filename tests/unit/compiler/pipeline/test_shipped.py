"""The shipped pipelines add what the table of `shipped.yml` says."""

from __future__ import annotations

import json
import re
import tarfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from sigmac.compiler.diagnostics.diagnostic import Diagnostics
from sigmac.compiler.ir.values import Number
from sigmac.compiler.meaning.reference import matches
from sigmac.compiler.pipeline import Pipelines, Variant, load_pipelines
from sigmac.compiler.pipeline.shipped_pipelines import shipped
from sigmac.compiler.syntax.documents import read_file
from sigmac.compiler.syntax.rule import AllOf, Item, Rule, items

TABLE = yaml.safe_load(Path(__file__).with_name("shipped.yml").read_text("utf-8"))
KNOWN = yaml.safe_load(Path(__file__).with_name("known_fields.yml").read_text("utf-8"))
WINDOWS, AUDIT = TABLE["windows"], TABLE["windows-audit"]
CATEGORIES = {
    **{
        category: {"Channel": WINDOWS["sysmon"], "EventID": event_id}
        for category, event_id in WINDOWS["sysmon_categories"].items()
    },
    **WINDOWS["categories"],
}
SERVICES = {service: {"Channel": channel} for service, channel in WINDOWS["services"].items()}
CORPUS = Path(__file__).resolve().parents[5] / "shared" / "corpus"

windows = load_pipelines(["windows"])
audit = load_pipelines(["windows-audit"])
both = load_pipelines(["windows", "windows-audit"])


def rule(selection: dict[str, Any] | None = None, **logsource: str) -> Rule:
    document = {
        "title": "t",
        "logsource": logsource,
        "detection": {"selection": selection or {"A": 1}, "condition": "selection"},
    }
    return read_file(yaml.safe_dump(document).encode(), "rule.yml").rules[0]


def added(found: Rule, name: str = "_cond_1") -> dict[str, Any]:
    """An added selection as its YAML, strings and numbers in lists where there are several."""
    detection = found.detections[name]
    assert isinstance(detection, AllOf)
    made: dict[str, Any] = {}
    for item in detection.children:
        assert isinstance(item, Item)
        values = [v.value if isinstance(v, Number) else str(v) for v in item.values]
        made[str(item.field)] = values if len(values) > 1 else values[0]
    return made


def only(pipelines: Pipelines, found: Rule) -> Rule:
    diagnostics = Diagnostics()
    (variant,) = pipelines.apply(found, diagnostics, strict_logsource=True)
    assert not diagnostics.found
    return variant.rule


@pytest.mark.parametrize("name", shipped())
def test_shipped_pipeline_is_without_fault(name: str) -> None:
    assert load_pipelines([name]).warnings == ()


@pytest.mark.parametrize("category", CATEGORIES)
def test_category(category: str) -> None:
    made = only(windows, rule(product="windows", category=category))
    assert added(made) == CATEGORIES[category]
    assert list(made.detections) == ["_cond_1", "selection"]


@pytest.mark.parametrize("service", SERVICES)
def test_service(service: str) -> None:
    made = only(windows, rule(product="windows", service=service))
    assert added(made) == SERVICES[service]
    assert list(made.detections) == ["_cond_1", "selection"]


def test_category_and_service_are_both_asked_for() -> None:
    made = only(windows, rule(product="windows", category="ps_script", service="powershell"))
    assert added(made, "_cond_1") == CATEGORIES["ps_script"]
    assert added(made, "_cond_2") == SERVICES["powershell"]
    assert made.conditions[0].text == "_cond_2 and (_cond_1 and (selection))"


def test_letter_case_of_a_logsource_does_not_matter() -> None:
    made = only(windows, rule(product="Windows", category="Process_Creation"))
    assert added(made)["EventID"] == 1


def test_antivirus_needs_no_product_and_has_fields_of_its_own() -> None:
    selection = {"Signature": "x", "Filename": "y", "User": "z"}
    made = only(windows, rule(selection, category="antivirus"))
    assert added(made) == CATEGORIES["antivirus"]
    new = {item.field for item in items(made.detections["selection"])}
    assert new == {"ThreatName", "Path", "User"}


@pytest.mark.parametrize("category", WINDOWS["unmapped"])
def test_category_of_windows_that_no_event_log_has(category: str) -> None:
    diagnostics = Diagnostics()
    (made,) = windows.apply(rule(product="windows", category=category), diagnostics)
    assert made.name is None
    assert [each.code for each in diagnostics] == ["W_LS_UNMAPPED"]


@pytest.mark.parametrize("pipelines", [windows, audit, both])
def test_other_products_are_left_alone(pipelines: Pipelines) -> None:
    for found in (
        rule(product="linux", category="process_creation"),
        rule(category="process_creation"),
        rule(product="m365", service="security"),
    ):
        assert only(pipelines, found) is found


@pytest.mark.parametrize("category", AUDIT)
def test_audit_category(category: str) -> None:
    fields = AUDIT[category]["fields"]
    made = only(audit, rule(dict.fromkeys(fields, "x"), product="windows", category=category))
    assert added(made) == AUDIT[category]["adds"]
    new = {item.field for item in items(made.detections["selection"])}
    assert new == set(fields.values())


def test_both_pipelines_make_two_variants() -> None:
    found = rule({"Image|endswith": r"\whoami.exe"}, product="windows", category="process_creation")
    variants = both.apply(found, Diagnostics(), strict_logsource=True)
    assert [variant.name for variant in variants] == ["windows", "audit"]

    def matching(event: dict[str, Any]) -> list[str | None]:
        return [variant.name for variant in variants if matches(variant.rule, event)]

    sysmon = {"Channel": WINDOWS["sysmon"], "EventID": 1, "Image": r"C:\whoami.exe"}
    logged = {"Channel": "Security", "EventID": 4688, "NewProcessName": r"C:\whoami.exe"}
    assert matching(sysmon) == ["windows"]
    assert matching(logged) == ["audit"]
    assert matching({**sysmon, "EventID": 2}) == []
    assert matching({**logged, "Channel": "System"}) == []


def test_a_rule_that_only_one_of_both_is_for_has_one_variant() -> None:
    for found in (
        rule(product="windows", category="image_load"),
        rule(product="windows", service="security"),
    ):
        assert [each.name for each in both.apply(found, Diagnostics())] == ["windows"]


@pytest.mark.parametrize(
    ("name", "category"), [(name, category) for name in KNOWN for category in KNOWN[name]]
)
def test_fields_that_are_known_for_such_events_are_asked(name: str, category: str) -> None:
    pipelines = load_pipelines([name])
    for field, known in KNOWN[name][category].items():
        value = {"Hashes": "SHA256=0a", "EventType": "SetValue"}.get(field, "x")
        (made,) = pipelines.apply(
            rule({field: value}, product="windows", category=category), Diagnostics()
        )
        assert known in {item.field for item in items(made.rule.detections["selection"])}, field


@pytest.mark.parametrize(
    ("name", "category", "asked", "stands_for"),
    [
        ("ecs", "process_creation", "User", "user.name winlog.event_data.User"),
        ("ecs", "registry_set", "Details", "registry.data.strings winlog.event_data.Details"),
        ("defender", "process_creation", "User", "AccountName properties.AccountName"),
        ("defender", "registry_set", "TargetObject", "RegistryKey properties.RegistryKey"),
        ("defender", "process_creation", "Computer", "DeviceName properties.DeviceName"),
        ("ocsf", "process_creation", "User", "process.user.name actor.user.name"),
        ("crowdstrike", "registry_set", "TargetObject", "RegObjectName"),
        ("windows-audit", "registry_set", "Details", "NewValue"),
    ],
)
def test_a_name_that_stands_alone_is_one_that_events_have(
    name: str, category: str, asked: str, stands_for: str
) -> None:
    found = rule(product="windows", category=category)
    (fields,) = load_pipelines([name]).fields_of(found, [asked]).values()
    assert " ".join(fields[asked]) == stands_for


def test_rules_match_their_recorded_events() -> None:
    """Every rule of SigmaHQ that has a recorded event matches it, with the events as logged."""
    archive = CORPUS / "sigmahq" / "sigmahq-rules.tar.gz"
    if not archive.exists():
        pytest.skip("the recorded events are not here (../shared/corpus)")
    events = (CORPUS / "regression" / "events.ndjson").read_text("utf-8").splitlines()
    expected = json.loads((CORPUS / "regression" / "expect.json").read_text("utf-8"))["by_line"]
    wanted = {rule_id for rule_ids in expected.values() for rule_id in rule_ids}
    found: dict[str, tuple[Variant, ...]] = {}
    with tarfile.open(archive) as tar:
        for member in tar:
            file = tar.extractfile(member)
            text = file.read() if file else b""
            rule_id = re.search(rb"^id: (\S+)", text, re.MULTILINE)
            if rule_id and rule_id[1].decode() in wanted:
                (each,) = read_file(text, member.name).rules
                found[rule_id[1].decode()] = windows.apply(each, Diagnostics())
    missed = [
        (line, rule_id)
        for line, rule_ids in expected.items()
        for rule_id in rule_ids
        if not any(matches(v.rule, json.loads(events[int(line) - 1])) for v in found[rule_id])
    ]
    assert missed == []
