"""Whatever a rule's author writes becomes a correct pack or a diagnostic: never code, never a crash, never a burden."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.property.hostile.bombs import BOMBS
from tests.property.hostile.verdict import Files, Verdict, judge

_FOLDER = Path(__file__).with_name("hostile")
TEXTS: dict[str, str] = yaml.safe_load((_FOLDER / "texts.yml").read_bytes())
DOCUMENTS: dict[str, dict[str, Any]] = yaml.safe_load((_FOLDER / "documents.yml").read_bytes())


def rule(selection: Any = None, condition: str = "s", **keys: Any) -> dict[str, Any]:
    detection = {"s": {"A": "x"} if selection is None else selection, "condition": condition}
    return {"title": "t", "logsource": {"product": "p"}, "detection": detection, **keys}


# A text in every place of a rule. Metadata never refuses a rule: it is kept or dropped.
METADATA: dict[str, Callable[[str], dict[str, Any]]] = {
    "id": lambda text: rule(id=text),
    "name": lambda text: rule(name=text),
    "description": lambda text: rule(description=text, author=text, license=text),
    "dates": lambda text: rule(date=text, modified=text),
    "status": lambda text: rule(status=text, level=text),
    "tags": lambda text: rule(tags=[text, f"attack.{text}"]),
    "lists": lambda text: rule(
        references=[text], falsepositives=[text], fields=[text], scope=[text]
    ),
    "related": lambda text: rule(
        related=[{"id": text, "type": "similar"}, {"id": "x", "type": text}]
    ),
    "taxonomy": lambda text: rule(taxonomy=text),
    "custom value": lambda text: rule(custom=text, more={"a": [text, {"b": text}]}),
    "custom key": lambda text: rule(**{f"x{text}": {text: text}}),
    "definition": lambda text: rule(
        logsource={"product": "p", "definition": text, f"x{text}": text}
    ),
}
DETECTION: dict[str, Callable[[str], dict[str, Any]]] = {
    "title": lambda text: rule(title=text),
    "product": lambda text: rule(logsource={"product": text}),
    "category and service": lambda text: rule(logsource={"category": text, "service": f"x{text}"}),
    "selection": lambda text: rule(
        detection={text: {"A": "x"}, "s": {"B": "y"}, "condition": "s or 1 of *"}
    ),
    "selection in the condition": lambda text: rule(
        detection={text: {"A": "x"}, "condition": text}
    ),
    "condition": lambda text: rule(condition=text),
    "field": lambda text: rule({text: "x", f"x{text}|contains": ["y", "z"]}),
    "numeric field": lambda text: rule(
        {f"{text}|gt": 5, f"x{text}|cidr": "10.0.0.0/8", f"y{text}|hour": 3}
    ),
    "value": lambda text: rule({"A": text}),
    "values": lambda text: rule({"A": [text, "x"], "B|contains|all": [text, f"x{text}"]}),
    "placed value": lambda text: rule(
        [{"A|contains": text}, {"A|startswith": text}, {"A|endswith|neq": text}]
    ),
    "cased value": lambda text: rule({"A|cased": text, "B|contains|cased": text}),
    "dashed value": lambda text: rule({"A|windash|contains": text}),
    "encoded value": lambda text: rule({"A|base64offset|contains": text, "B|wide|base64": text}),
    "keyword": lambda text: rule([text, f"x{text}"]),
    "pattern": lambda text: rule({"A|re": text}),
    "quoted pattern": lambda text: rule({"A|re|i": rf"\Q{text}\E"}),
    "network": lambda text: rule({"A|cidr": text}),
    "other field": lambda text: rule({"A|fieldref": text}),
    "number": lambda text: rule({"A|gt": text}),
    "placeholder": lambda text: rule({"A|expand": f"%{text}%"}),
    "modifier": lambda text: rule({f"A|{text}": "x"}),
    "key of the rule": lambda text: rule(**{text: {"a": text}}),
    "type of the document": lambda text: rule(action=text),
}
PLACES = {**METADATA, **DETECTION}


def as_yaml(document: dict[str, Any]) -> bytes:
    return yaml.safe_dump(document, allow_unicode=True, sort_keys=False).encode("utf-8")


def texts_in(place: str) -> Files:
    return {f"{i}.yml": as_yaml(PLACES[place](text)) for i, text in enumerate(TEXTS.values())}


def test_there_are_enough_cases() -> None:
    assert len(TEXTS) >= 200
    assert len(TEXTS) * len(PLACES) + len(DOCUMENTS) + len(BOMBS) > 5000


@pytest.mark.parametrize("place", PLACES)
def test_no_text_leaves_its_place(place: str) -> None:
    verdict = judge(texts_in, place)
    assert verdict.problems == []
    files = {f"{i}.yml" for i in range(len(TEXTS))}
    compiled, refused = ({file for file, _ in each} for each in (verdict.compiled, verdict.refused))
    assert not compiled & refused
    assert compiled | refused == files
    if place in METADATA:
        assert refused == set()


def files_named_by_texts() -> Files:
    names = [text.replace("/", "\u2044").replace("\0", "\u2400") for text in TEXTS.values()]
    names += [
        os.fsdecode(b"\xff\xfe\x80"),
        "conditions",
        "__init__",
        "rules",
        "matchers",
        "x" * 240,
    ]
    names += [
        "a/same",
        "b/same",
        "c/d/same",
        "logsource",
        "logsource_2",
        "rule_logsource",
        "é" * 120,
    ]
    return {f"{name}.yml": as_yaml(rule(title=str(i))) for i, name in enumerate(names)}


def test_a_file_may_have_any_name() -> None:
    verdict = judge(files_named_by_texts)
    assert verdict.problems == []
    assert verdict.refused == set()
    assert len(verdict.compiled) == sum(not name.startswith(".") for name in files_named_by_texts())


def documents() -> Files:
    return {
        f"{i}.yml": bytes.fromhex(case["bytes"]) if "bytes" in case else case["file"].encode()
        for i, case in enumerate(DOCUMENTS.values())
    }


@pytest.fixture(scope="module")
def together() -> Verdict:
    """All files in one build: none may harm the others."""
    return judge(documents)


def test_hostile_files_do_not_stop_the_build(together: Verdict) -> None:
    assert together.problems == []


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_hostile_file_is_compiled_or_refused(together: Verdict, name: str) -> None:
    case, file = DOCUMENTS[name], f"{[*DOCUMENTS].index(name)}.yml"
    assert set(case.get("codes", ())) <= together.codes.get(file, set())
    assert sum(each == file for each, _ in together.compiled) == case.get("rules", 0)


def bomb(name: str) -> Files:
    return {"x.yml": BOMBS[name][0]().encode()}


@pytest.mark.parametrize("name", BOMBS)
def test_size_is_no_attack(name: str) -> None:
    _, code = BOMBS[name]
    verdict = judge(bomb, name, check=False)
    assert verdict.problems == []
    errors = {each for each in verdict.codes.get("x.yml", ()) if each.startswith("E_")}
    assert code in errors if code else not errors and verdict.compiled
