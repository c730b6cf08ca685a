"""Nearly all rules of a cloud source ask, after the pipeline, only for fields that its events can have."""

from __future__ import annotations

from fnmatch import fnmatchcase
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
import yaml

from sigmac.compiler.diagnostics.diagnostic import Diagnostics, RuleError
from sigmac.compiler.ir.values import Null
from sigmac.compiler.pipeline import load_pipelines
from sigmac.compiler.syntax.documents import read_file
from sigmac.compiler.syntax.rule import AnyOf, Detection, Item, Rule
from tests.conformance.corpora import ACTIVE, SigmaHQ

SOURCES = yaml.safe_load(Path(__file__).with_name("source_fields.yml").read_text("utf-8"))
SHARE = 0.9
FOLDERS = ("cloud", "identity", "application")


@pytest.fixture(scope="module")
def rules(sigmahq: SigmaHQ) -> dict[str, list[tuple[str, Rule]]]:
    """The rules of the sources by `product/service`, each with the name of its file."""
    found: dict[str, list[tuple[str, Rule]]] = {name: [] for name in SOURCES}
    for source in sigmahq.sources:
        _, kind, *folders = source.source.split("/")
        if kind not in ACTIVE or not {*FOLDERS}.intersection(folders):
            continue
        for rule in read_file(source.read(), source.source).rules:
            name = f"{rule.logsource.product}/{rule.logsource.service}"
            found.get(name, []).append((folders[-1], rule))
    return found


def can_be_asked(detection: Detection, fields: list[str]) -> bool:
    """Whether every question, of several for one thing at least one, is of a field that there is; keywords are."""
    if isinstance(detection, Item):
        if Null() in detection.values:  # that it is missing
            return True
        return detection.field is None or any(fnmatchcase(detection.field, f) for f in fields)
    asked = (can_be_asked(child, fields) for child in detection.children)
    return any(asked) if isinstance(detection, AnyOf) else all(asked)


@pytest.mark.parametrize("name", SOURCES)
def test_rules_ask_for_fields_of_the_source(
    name: str, rules: dict[str, list[tuple[str, Rule]]]
) -> None:
    given: dict[str, Any] = SOURCES[name]
    pipelines = load_pipelines([given["pipeline"]] if "pipeline" in given else [])
    made = []
    for file, rule in rules[name]:
        try:
            made.append((file, pipelines.apply(rule, Diagnostics())[0].rule))
        except RuleError as error:
            if error.diagnostic.code != "E_PLACEHOLDER":
                raise
    assert made
    for shape, listed in given["shapes"].items():
        fields = [*chain.from_iterable(listed)]
        others = {
            file
            for file, rule in made
            if not all(can_be_asked(each, fields) for each in rule.detections.values())
        }
        assert others == {f for f in given["others"] if shape in given["others"][f]}, shape
        assert len(others) <= (1 - SHARE) * len(made), shape
