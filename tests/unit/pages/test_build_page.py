"""The page of a build: what it holds, that the same rules give the same bytes, and in a browser, that it works."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from sigmac.attack.attack_table import shipped
from sigmac.cli import app
from sigmac.compiler.optimizer import PASSES
from sigmac.compiler.packaging.build import BuildOptions
from sigmac.pages.build_page import page_data
from sigmac.pages.html_page import render
from tests.browser import Page
from tests.unit.packs import compile_text, rule

HOSTILE = '</script><script>window.hacked=1</script><img src=x onerror="window.hacked=1">'
SELECTION = "s: {a|contains: [ab, abc], b: c}\ncondition: s"


def written(folder: Path, **more: Any) -> Path:
    """A rule file of its own, with all that a rule can say of itself."""
    given = {
        "title": "Plain",
        "level": "high",
        "status": "test",
        "logsource": {"product": "windows"},
        "detection": {"s": {"a|contains": ["ab", "abc"], "b": "c"}, "condition": "s"},
        **more,
    }
    folder.mkdir(exist_ok=True)
    file = folder / f"{len(list(folder.iterdir()))}.yml"
    file.write_text(yaml.safe_dump(given), encoding="utf-8")
    return file


def built(rules: Path, report: Path, *options: str) -> Result:
    pack = str(rules.parent / "pack")
    return CliRunner().invoke(
        app, ["build", str(rules), "-o", pack, "--no-cache", "--report", str(report), *options]
    )


def data_in(report: Path) -> dict[str, Any]:
    text = report.read_text("utf-8").partition('<script type="application/json" id="data">')[2]
    data: dict[str, Any] = json.loads(text.partition("</script>")[0])
    return data


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of rules, a correlation and a filter, of which much is hostile text."""
    folder = tmp_path_factory.mktemp("build")
    rules = folder / "rules"
    written(rules, tags=["attack.execution", "attack.t1059.001"], status="stable")
    written(
        rules,
        title=HOSTILE,
        name="hostile",
        level=HOSTILE,
        description=HOSTILE,
        author=HOSTILE,
        tags=[HOSTILE, "attack.t1105", "attack.impact"],
        logsource={"product": HOSTILE},
        detection={"s": {HOSTILE: HOSTILE}, "condition": "s"},
    )
    written(rules, title="Keywords", level="low", detection={"k": ["x"], "condition": "k"})
    written(rules, title="Faulty", detection={"s": {"a": 1}, "condition": "t"})
    correlation = {"type": "event_count", "rules": ["hostile"], "timespan": "1m"}
    correlation |= {"group-by": ["u"], "condition": {"gte": 2}}
    (rules / "more.yml").write_text(
        yaml.safe_dump({"title": f"Many {HOSTILE}", "correlation": correlation})
        + "---\n"
        + yaml.safe_dump(
            {
                "title": f"Filter {HOSTILE}",
                "logsource": {"product": "windows"},
                "filter": {"rules": "any", "f": {"c": "d"}, "condition": "not f"},
            }
        )
    )
    report = folder / "report.html"
    done = built(rules, report, "--skip-errors")
    assert done.exit_code == 0, done.output
    return report


def test_a_page_holds_what_the_build_did(report: Path) -> None:
    data = data_in(report)
    plain, hostile, keywords, many, acting = data["rules"]
    assert [plain["title"], plain["level"], plain["status"]] == ["Plain", "high", "stable"]
    assert [hostile["title"], hostile["level"], keywords["title"]] == [HOSTILE, "none", "Keywords"]
    assert data["logsources"][many["logsource"]] == "correlation"
    assert data["logsources"][acting["logsource"]] == "filter of windows"
    assert plain["filters"] == [f"Filter {HOSTILE}"]
    assert plain["cells"] == [["execution", "T1059.001"]]
    assert [each["untagged"] for each in data["rules"]] == [False, False, True, True, False]
    assert {data["fields"][each] for each in plain["fields"]} == {"a", "b", "c"}
    assert "" in [data["fields"][each] for each in keywords["fields"]]
    names = [name for name, _ in data["passes"]]
    assert names == [each.__name__ for each in PASSES]
    assert all(about.endswith(".") for _, about in data["passes"])
    changes = {names[number]: change for number, *change in plain["passes"]}
    assert plain["before"][0] == 4
    assert changes["subsume"][0] == -1  # `abc` is one of what contains `ab`
    codes = {each["code"] for each in data["diagnostics"]}
    assert "E_CONDITION" in codes
    assert data["notes"] == [
        "1 document left out because of errors, which stand below.",
        "1 rule silent, as they count for correlations only.",
    ]
    assert data["attack"] == shipped().version


def test_sums_over_rules_are_those_that_the_build_tells(tmp_path: Path) -> None:
    made = compile_text(rule(SELECTION) + "---\n" + rule(SELECTION, "Other"), tmp_path)
    data = page_data(made, BuildOptions("test"), made.diagnostics)
    for number, told in enumerate(made.passes):
        changed = [
            change for each in data["rules"] for at, *change in each["passes"] if at == number
        ]
        assert sum(each[0] for each in changed) == told.predicates[1] - told.predicates[0]
        assert sum(each[1] for each in changed) == told.nodes[1] - told.nodes[0]


def test_the_same_rules_give_the_same_bytes_wherever_they_lie(tmp_path: Path) -> None:
    pages = []
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        written(tmp_path / name / "rules")
        written(tmp_path / name / "rules", title="Faulty", detection={"condition": "t"})
        path = tmp_path / f"{name}.html"
        assert built(tmp_path / name / "rules", path, "--skip-errors").exit_code == 0
        pages.append(path.read_bytes())
    assert pages[0] == pages[1]


def test_a_page_is_written_where_nothing_is_built_and_where_nothing_changed(tmp_path: Path) -> None:
    rules, report = tmp_path / "rules", tmp_path / "report.html"
    written(rules, detection={"condition": "t"})
    done = built(rules, report)
    assert done.exit_code == 1
    assert data_in(report)["notes"][0] == "No pack was made."
    (rules / "0.yml").unlink()
    written(rules)
    for _ in range(2):
        report.unlink(missing_ok=True)
        cache = ("--cache", "--cache-dir", str(tmp_path / "cache"))
        assert built(rules, report, *cache).exit_code == 0
        assert len(data_in(report)["rules"]) == 1
    assert built(rules, report, "--no-optimize").exit_code == 0
    assert data_in(report)["passes"] == []


def test_a_page_is_written_over_nothing_that_is_read(tmp_path: Path) -> None:
    rule_file = written(tmp_path / "rules")
    for report, status in (
        (rule_file, 2),
        (tmp_path / "pack" / "report.html", 2),
        (tmp_path / "no" / "report.html", 1),
        (tmp_path / "rules", 1),
    ):
        done = built(tmp_path / "rules", report)
        assert (done.exit_code, (tmp_path / "pack").exists()) == (status, False), done.output
    assert rule_file.read_text().startswith("detection:")


# In a browser


def test_hostile_text_is_text(page: Page, report: Path) -> None:
    page.open_ready(report)
    assert page.text("#count") == "5 documents"
    for number in range(5):
        page.value(f"document.querySelectorAll('#rows tr.row button')[{number}].click()")
        page.value("document.querySelector('#rows button[aria-expanded=true]').click()")
    page.search("hacked many", "1 document of 5")
    page.click("#rows tr.row button")
    for where in ("#rows", "#logsources"):
        assert page.text(where)
    assert HOSTILE in page.text("#rows")
    page.search("", "5 documents")
    for where in ("#fields", "#logsources", "#rows"):
        assert HOSTILE in page.text(where)
    assert page.value("document.querySelectorAll('img, svg, iframe').length") == 0
    assert page.value("typeof window.hacked") == "undefined"
    assert page.complaints == []


def test_what_is_clicked_chooses(page: Page, report: Path) -> None:
    page.open_ready(report)
    # A technique may be of another tactic than the one that its rule names.
    assert page.value("document.getElementById('cell-command-and-controlT1105') !== null")
    for where, shown in (
        ("#level-high", "1 document of 5"),
        ("#cell-executionT1059\\.001", "1 document of 5"),
        ("#tactic-impact", "1 document of 5"),
        ("#untagged", "2 documents of 5"),
        ("#passes .link", "1 document of 5"),
        ("#fields button", "2 documents of 5"),
        ("#codes-E_CONDITION", "0 documents of 5"),
    ):
        page.open_ready(report)
        page.click(where)
        assert page.text("#count") == shown, where
    assert "E_CONDITION" in page.text("#said-of")
    page.open_ready(report)
    page.click("#by-questions")
    assert page.text("#rows tr.row").startswith("Plain")
    page.click("#rows tr.row button")
    assert page.text("tr.detail tbody tr.all").split("\t")[1] == "4 → 3"
    page.press("Escape")
    assert page.complaints == []


def test_four_thousand_rules_are_usable(page: Page, report: Path, tmp_path: Path) -> None:
    data = data_in(report)
    plain = data["rules"][0]
    data["rules"] = [{**plain, "title": f"Rule {i}", "said": [0]} for i in range(4_000)]
    data["diagnostics"] = [{**data["diagnostics"][0], "of_rule": True}] * 1_000
    large = tmp_path / "large.html"
    large.write_bytes(render("build", "Large", data))
    page.open_ready(large)
    assert page.text("#count") == "4,000 documents"
    assert page.value("document.querySelectorAll('#rows tr').length") == 100
    page.search("rule 3999", "1 document of 4,000")
    assert page.complaints == []
