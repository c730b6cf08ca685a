"""The Go engine's own tests, taken from its module when the tests run: what they hold, both engines say."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from sigmac.compat.go import go_engine as go
from sigmac.compat.go.go_engine import GoEngine
from tests.unit.compat.go.both_engines import Asked, go_says, sigmac_says

MODULE = "github.com/markuskont/go-sigma-rule-engine"
# Rules of these tests have neither title nor log source, which sigmac asks for.
HEAD = "title: A Rule\nlogsource: {product: any}\n"
# What sigmac answers otherwise, by the names of rule and event there; differences.yml has the reasons.
OTHERWISE = {
    ("identKeyword3", "identKeyword2pos1"): "a text between slashes is a text",
    ("detection8", "detection8_negative2"): "`not` over an absent field is true",
}
_TEXT = re.compile(r"^var (\w+) = `([^`]*)`", re.MULTILINE)
_CASE = re.compile(r"\n\t\{\n(.*?)\n\t\},", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Held:
    rule: str
    event: str
    asked: Asked


def held_by(module: Path) -> list[Held]:
    """Each rule of the tests with each of its events, and what the engine has to say."""
    found = []
    for name in ("parser_test.go", "ident_test.go"):
        text = (module / name).read_text("utf-8")
        texts = dict(_TEXT.findall(text))
        for case in _CASE.findall(text):
            rule = re.search(r"Rule:\s+(\w+),", case)
            if rule is None:
                continue
            for kind, says in (("Pos", "yes"), ("Neg", "no")):
                listed = re.search(rf"\b{kind}:\s+\[\]string\{{([^}}]*)\}}", case)
                for event in re.findall(r"\w+", listed[1] if listed else ""):
                    raw = "noCollapseWSNeg: true" in case
                    message = re.fullmatch(r'\s*\{ "cmd": (".*") \}\s*', texts[event])
                    words = (re.sub(r"\\(.)", r"\1", message[1][1:-1]),) if message else None
                    file = HEAD + texts[rule[1]].lstrip().removeprefix("---\n")
                    given = "{}" if message else re.sub(r"\t", " ", texts[event])
                    known = (rule[1], event) in OTHERWISE
                    ours = {"yes": "no", "no": "yes"}[says] if known else says
                    asked = Asked(event, file, "", given, words, raw, says, ours, "")
                    found.append(Held(rule[1], event, asked))
    return found


@pytest.fixture(scope="module")
def held(go_engine: GoEngine, tmp_path_factory: pytest.TempPathFactory) -> list[Held]:
    folder = tmp_path_factory.mktemp("module")
    for name in ("go.mod", "go.sum"):
        (folder / name).write_bytes((Path(go.__file__).parent / "engine" / name).read_bytes())
    if shutil.which("go") is None:
        pytest.skip("there is no Go tool chain to ask where the module lies")
    command = ["go", "list", "-m", "-f", "{{.Dir}}", MODULE]
    where = subprocess.run(command, cwd=folder, capture_output=True, text=True).stdout.strip()
    if not where:
        pytest.skip(f"the sources of {MODULE} are not here")
    return held_by(Path(where))


def test_the_engine_says_what_its_tests_hold(held: list[Held], go_engine: GoEngine) -> None:
    assert len(held) > 50
    assert [
        (each.rule, each.event, says)
        for each in held
        if (says := go_says(go_engine, each.asked)) != each.asked.go
    ] == []


def test_sigmac_says_the_same_but_for_what_is_known(held: list[Held], tmp_path: Path) -> None:
    assert {(each.rule, each.event) for each in held} >= OTHERWISE.keys()
    assert [
        (each.rule, each.event, says)
        for each in held
        if (says := sigmac_says(each.asked, tmp_path)) != each.asked.sigmac
    ] == []
