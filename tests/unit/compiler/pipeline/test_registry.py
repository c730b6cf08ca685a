"""Registry rules asked of Windows' audit events: the same answers as if the event had the joined path."""

from __future__ import annotations

import itertools
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, example, given
from hypothesis import strategies as st

from sigmac.compiler.diagnostics.diagnostic import Diagnostics, RuleError
from sigmac.compiler.meaning.reference import matches
from sigmac.compiler.pipeline import Pipelines, load_pipelines
from sigmac.compiler.syntax.documents import read_file
from sigmac.compiler.syntax.rule import Rule
from tests.examples import examples

CASES = yaml.safe_load(Path(__file__).with_name("registry.yml").read_text("utf-8"))
AUDIT = load_pipelines(["windows-audit"])
BOTH = load_pipelines(["windows", "windows-audit"])
JOIN = load_pipelines([str(Path(__file__).with_name("joined.yml"))])
SID = r"S-1-5-21-1004336348-1177238915-682003330-512"


def rule(selection: Any, category: str = "registry_set") -> Rule:
    document = {
        "title": "t",
        "logsource": {"product": "windows", "category": category},
        "detection": {"s": selection, "condition": "s"},
    }
    contents = read_file(yaml.safe_dump(document).encode(), "rule.yml")
    assert not contents.diagnostics.errors, contents.diagnostics.errors
    return contents.rules[0]


def audit(key: str, name: str | None = "x", **more: Any) -> dict[str, Any]:
    """An event 4657 as Windows writes it."""
    event = {"Channel": "Security", "EventID": 4657, "OperationType": "%%1905", "ObjectName": key}
    return {**event, **({} if name is None else {"ObjectValueName": name}), **more}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_rule_and_events(case: dict[str, Any]) -> None:
    found = rule(case["selection"], case.get("category", "registry_set"))
    diagnostics = Diagnostics()
    (variant,) = AUDIT.apply(found, diagnostics, strict_logsource=True)
    assert [each.message for each in diagnostics] == case.get("warns", [])
    base = {"Channel": "Security", "EventID": 4657, "OperationType": "%%1905"}
    for event in case.get("matches", []):
        assert matches(variant.rule, {**base, **event}), event
    for event in case.get("misses", []):
        assert not matches(variant.rule, {**base, **event}), event


# The law


def spellings(key: str, name: str | None) -> list[str]:
    """The texts that a path may be written as: what a rule's question is about."""
    names = [name] if name is not None else []
    if name in (None, "", "-"):
        names.append("(Default)")
    keys = [key + "\\"]
    sid = r"S-1-[0-9-]+"
    for kernel, short in (
        (r"\REGISTRY\MACHINE" + "\\", ("HKLM\\", "HKEY_LOCAL_MACHINE\\")),
        (r"\REGISTRY\USER" + "\\", ("HKU\\", "HKEY_USERS\\")),
        (r"\REGISTRY\MACHINE\SOFTWARE\Classes" + "\\", ("HKCR\\", "HKEY_CLASSES_ROOT\\")),
    ):
        if (key + "\\").lower().startswith(kernel.lower()):
            keys += [other + (key + "\\")[len(kernel) :] for other in short]
    for pattern, short in (
        (rf"\\REGISTRY\\USER\\{sid}\\", ("HKCU\\", "HKEY_CURRENT_USER\\")),
        (rf"\\REGISTRY\\USER\\{sid}_Classes\\", ("HKCR\\", "HKEY_CLASSES_ROOT\\")),
        (
            r"\\REGISTRY\\MACHINE\\SYSTEM\\ControlSet00.\\",
            tuple(
                root + "SYSTEM\\CurrentControlSet\\"
                for root in ("HKLM\\", "HKEY_LOCAL_MACHINE\\", "\\REGISTRY\\MACHINE\\")
            ),
        ),
    ):
        if found := re.match(pattern, key + "\\", re.IGNORECASE | re.DOTALL):
            keys += [other + (key + "\\")[found.end() :] for other in short]
    return [before + after for before, after in itertools.product(keys, names)]


WORDS = st.sampled_from(
    [*"ab\\\\\\*?-", "\\", r"\REGISTRY", r"\MACHINE", r"\USER", "\\" + SID, "_Classes", "HKLM\\",
     "HKU\\", "HKCU\\", "HKCR\\", r"\SYSTEM", "System", r"\CurrentControlSet", r"\ControlSet001",
     r"\SOFTWARE\Classes", "(Default)", r"\Run", "KLM", "Set"]
)  # fmt: skip
PATTERNS = st.lists(WORDS, max_size=6).map("".join)
ROOTS = st.sampled_from(
    [r"\REGISTRY\MACHINE", r"\REGISTRY\USER", rf"\REGISTRY\USER\{SID}", r"\REGISTRY\A\{1}",
     rf"\REGISTRY\USER\{SID}_Classes", r"\REGISTRY\MACHINE\SYSTEM\ControlSet001",
     r"\REGISTRY\MACHINE\SOFTWARE\Classes", r"\REGISTRY\USER\.DEFAULT", "a", ""]
)  # fmt: skip
TEXTS = st.lists(st.sampled_from([*"ab\\-", r"\Run", "Set"]), max_size=4).map("".join)
MODIFIERS = st.sampled_from(["", "|contains", "|startswith", "|endswith"])
NAMES = st.one_of(st.none(), st.sampled_from(["", "-", "(Default)"]), TEXTS)


@st.composite
def near(draw: Any) -> tuple[str, str | None, str]:
    """A key, a name, and a pattern that is often a piece of a text that they are written as."""
    key, name = draw(ROOTS) + draw(TEXTS), draw(NAMES)
    text = draw(st.sampled_from(spellings(key, name)))
    start, end = sorted((draw(st.integers(0, len(text))), draw(st.integers(0, len(text)))))
    piece = re.sub(r"([*?\\])", r"\\\1", text[start:end])
    return key, name, draw(st.sampled_from([piece, piece, draw(PATTERNS)]))


@examples(400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(found=near(), modifiers=MODIFIERS, more=st.sampled_from(["", "|neq", "|cased", "|all"]))
@example(found=(r"\REGISTRY\MACHINE\SOFTWARE", None, r"\(Default)"), modifiers="|endswith", more="")
@example(found=(r"\REGISTRY\MACHINE", "x", r"HKLM\x"), modifiers="", more="")
@example(found=(rf"\REGISTRY\USER\{SID}\a\b", "x", r"HKCU\b"), modifiers="|startswith", more="")
def test_path_is_asked_as_if_it_were_joined(
    found: tuple[str, str | None, str], modifiers: str, more: str
) -> None:
    key, name, pattern = found
    if not pattern and modifiers:
        return  # the reader refuses it
    values = [pattern, pattern + "q"] if more != "|all" else [pattern, pattern]
    written = rule({f"TargetObject{modifiers}{more}": values})
    (variant,) = AUDIT.apply(written, Diagnostics())
    event = audit(key, name)
    texts = spellings(key, name)
    answers = [bool(matches(written, {"TargetObject": text})) for text in texts]
    expected = all(answers) if more == "|neq" else any(answers)
    assert bool(matches(variant.rule, event)) is expected


JOINED = st.lists(st.sampled_from([*"ab\\@*?"]), max_size=4).map("".join)


@examples(200, deadline=None)
@given(
    first=st.one_of(st.none(), TEXTS),
    second=TEXTS,
    pattern=JOINED,
    modifiers=MODIFIERS,
    more=st.sampled_from(["", "|neq", "|cased", "|all"]),
)
def test_two_fields_are_asked_as_if_they_were_joined(
    first: str | None, second: str, pattern: str, modifiers: str, more: str
) -> None:
    if not pattern and modifiers:
        return  # the reader refuses it
    values = [pattern, pattern + "q"] if more != "|all" else [pattern, pattern]
    written = rule({f"TargetObject{modifiers}{more}": values})
    (variant,) = JOIN.apply(written, Diagnostics())
    text = second if first is None else f"{first}\\{second}"
    event = {"second": second} if first is None else {"first": first, "second": second}
    expected = bool(matches(written, {"TargetObject": text}))
    assert bool(matches(variant.rule, event)) is expected


# What cannot be asked


@pytest.mark.parametrize("selection", [{"TargetObject|re": "Run"}, {"TargetObject|fieldref": "A"}])
def test_what_two_fields_cannot_be_asked_leaves_the_form_out(selection: dict[str, str]) -> None:
    diagnostics = Diagnostics()
    (made,) = BOTH.apply(rule(selection), diagnostics)
    assert made.name == "windows"
    (warning,) = diagnostics
    assert warning.code == "W_PIPELINE_LOSS"
    assert warning.message.startswith("the form `audit` of the rule is left out: `TargetObject` is")
    assert warning.place.line > 0
    assert "windows-audit:" in warning.hint


def test_without_another_form_the_rule_is_refused() -> None:
    with pytest.raises(RuleError, match="is two fields in these events") as error:
        AUDIT.apply(rule({"TargetObject|re": "Run"}), Diagnostics())
    assert error.value.diagnostic.code == "E_PIPELINE"


def test_fields_to_report_are_the_two(tmp_path: Path) -> None:
    text = (
        "title: t\nfields: [TargetObject, Details, Image]\n"
        "logsource: {product: windows, category: registry_set}\n"
        "detection: {s: {TargetObject|contains: x}, condition: s}\n"
    )
    (variant,) = AUDIT.apply(read_file(text.encode(), "r.yml").rules[0], Diagnostics())
    assert variant.rule.meta.fields == (
        "ObjectName",
        "ObjectValueName",
        "NewValue",
        "NewValueType",
        "ProcessName",
    )


def test_a_pattern_of_many_backslashes_is_stopped(tmp_path: Path) -> None:
    with pytest.raises(RuleError, match="more than 100000 values"):
        AUDIT.apply(rule({"TargetObject": "\\a" * 5000}), Diagnostics())


def test_placeholders_are_filled_first(tmp_path: Path) -> None:
    pipelines: Pipelines = load_pipelines(["windows-audit"], {"key": [r"Run\evil", "Start"]})
    found = rule({"TargetObject|endswith|expand": r"\\%key%"})
    (variant,) = pipelines.apply(found, Diagnostics())
    assert matches(variant.rule, audit(r"\REGISTRY\MACHINE\Run", "evil"))
    assert matches(variant.rule, audit(r"\REGISTRY\MACHINE\Services\x", "Start"))
    assert not matches(variant.rule, audit(r"\REGISTRY\MACHINE\Services\x", "evil"))
    with pytest.raises(RuleError, match="the placeholder `%key%` has no value"):
        AUDIT.apply(found, Diagnostics())
