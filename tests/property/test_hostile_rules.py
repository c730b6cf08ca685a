"""Whatever a rule's author writes becomes a correct pack or a diagnostic: never code, never a crash, never a burden."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from sigmac.compiler.syntax.rule import Metadata
from tests.examples import examples
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


def check(verdict: Verdict, files: Iterable[str], sound: Iterable[str] = ()) -> None:
    """Every file is in the pack or has an error; those that are `sound` are in the pack."""
    assert verdict.problems == []
    compiled, refused = ({file for file, _ in each} for each in (verdict.compiled, verdict.refused))
    assert not compiled & refused
    assert compiled | refused == set(files)
    assert not refused & set(sound)


@pytest.mark.parametrize("place", PLACES)
def test_no_text_leaves_its_place(place: str) -> None:
    files = texts_in(place)
    check(judge(files), files, files if place in METADATA else ())


def file_name(text: str) -> str:
    """A file name with as much of a text as file systems allow."""
    text = text.replace("/", "\u2044").replace("\0", "\u2400")
    return f"{text.encode()[:240].decode(errors='ignore')}.yml"


def files_named_by_texts() -> Files:
    names = [file_name(text) for text in TEXTS.values()]
    names.append(os.fsdecode(b"\xff\xfe\x80.yml"))
    names += [f"{name}.yml" for name in ("conditions", "__init__", "rules", "matchers")]
    names += [f"{name}.yml" for name in ("a/same", "b/same", "c/d/same")]
    names += [f"{name}.yml" for name in ("logsource", "logsource_2", "rule_logsource")]
    return {name: as_yaml(rule(title=str(i))) for i, name in enumerate(names)}


def test_a_file_may_have_any_name() -> None:
    files = files_named_by_texts()
    verdict = judge(files)
    assert verdict.problems == []
    assert verdict.refused == set()
    assert len(verdict.compiled) == sum(not name.startswith(".") for name in files)


# Any characters of Unicode, between what means something to YAML, Sigma, Python or the templates.
any_text = st.lists(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
    | st.sampled_from([*TEXTS.values()]),
    max_size=4,
).map("".join)


@examples(30)
@given(st.fixed_dictionaries(dict.fromkeys(PLACES, st.tuples(any_text, any_text))))
def test_any_text_may_stand_in_any_place(texts: dict[str, tuple[str, str]]) -> None:
    """Each place has a rule of its own, in a file with any name."""
    names = {place: f"{i}{file_name(name)}" for i, (place, (name, _)) in enumerate(texts.items())}
    files = {names[place]: as_yaml(PLACES[place](text)) for place, (_, text) in texts.items()}
    check(judge(files), files, [names[place] for place in METADATA])


_scalars = any_text | st.integers() | st.floats() | st.booleans() | st.none()
_anything = st.recursive(
    _scalars, lambda inner: st.lists(inner) | st.dictionaries(any_text, inner), max_leaves=5
)
_metadata = st.dictionaries(
    st.sampled_from([each.name for each in dataclasses.fields(Metadata)]) | any_text,
    _anything,
    max_size=8,
)
_some_text = st.builds("x{}".format, any_text)
_items = st.dictionaries(
    st.builds("{}{}".format, any_text, st.sampled_from(["", "|contains", "|windash", "|re"])),
    _some_text | st.lists(_some_text | st.integers(0, 9), min_size=1, max_size=3),
    min_size=1,
    max_size=3,
)
_logsources = st.dictionaries(
    st.sampled_from(["category", "service", "definition"]) | any_text, any_text, max_size=3
)


@st.composite
def any_rules(draw: st.DrawFn) -> dict[str, Any]:
    """A rule that is made of any texts, and now and then has anything that YAML can say where it should not be."""
    selections = _items | _items | _items | st.lists(_some_text, min_size=1) | _anything
    detection = draw(st.dictionaries(_some_text, selections, min_size=1, max_size=3))
    condition = draw(st.sampled_from(["1 of *", "all of *", "not 1 of *", *detection]))
    return {
        **draw(_metadata),
        "title": draw(_some_text),
        "logsource": {**draw(_logsources), "product": draw(_some_text)},
        "detection": {**detection, "condition": condition},
    }


@examples(30)
@given(st.lists(any_rules(), min_size=4, max_size=8))
def test_any_rule_is_compiled_or_refused(rules: list[dict[str, Any]]) -> None:
    files = {f"{i}.yml": as_yaml(each) for i, each in enumerate(rules)}
    check(judge(files), files)


def documents() -> Files:
    return {
        f"{i}.yml": bytes.fromhex(case["bytes"]) if "bytes" in case else case["file"].encode()
        for i, case in enumerate(DOCUMENTS.values())
    }


@pytest.fixture(scope="module")
def together() -> Verdict:
    """All files in one build: none may harm the others."""
    return judge(documents())


def test_hostile_files_do_not_stop_the_build(together: Verdict) -> None:
    assert together.problems == []


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_hostile_file_is_compiled_or_refused(together: Verdict, name: str) -> None:
    case, file = DOCUMENTS[name], f"{[*DOCUMENTS].index(name)}.yml"
    assert set(case.get("codes", ())) <= together.codes.get(file, set())
    assert sum(each == file for each, _ in together.compiled) == case.get("rules", 0)


@pytest.mark.parametrize("name", BOMBS)
def test_size_is_no_attack(name: str) -> None:
    make, code = BOMBS[name]
    verdict = judge({"x.yml": make().encode()})
    assert verdict.problems == []
    errors = {each for each in verdict.codes.get("x.yml", ()) if each.startswith("E_")}
    assert code in errors if code else not errors and verdict.compiled
