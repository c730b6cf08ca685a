"""The report: what it holds and where it is cut; in a real browser, that it works and that hostile text stays text."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
from pathlib import Path
from typing import Any

import orjson
import pytest
from click.testing import CliRunner

from sigmac.cli import app
from sigmac.pages.html_page import render
from sigmac.results import report_data
from sigmac.results.details import Details
from sigmac.results.report_data import Kept, ReportData
from sigmac.results.result import packed
from sigmac.runtime import Pack
from tests.browser import Page
from tests.unit.packs import write_text_pack
from tests.unit.results.conftest import EVENTS, RULES

HOSTILE = '</script><script>window.hacked=1</script><img src=x onerror="window.hacked=1">'
SOURCE = b'{"name":"events.ndjson","position":0}'


def data_of(page: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert found
    data: dict[str, Any] = json.loads(found[1])
    return data


def unpacked(block: str) -> str:
    return gzip.decompress(base64.b64decode(block)).decode()


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of the rules and events of conftest.py, and of hostile ones."""
    folder = tmp_path_factory.mktemp("report")
    rules = RULES.replace("title: '[Odd] Rule'", f"title: '{HOSTILE}'")
    pack = write_text_pack(rules, folder)
    events = [*EVENTS, {"text": f"needle {HOSTILE}", "User": HOSTILE, "Computer": HOSTILE}]
    (folder / "events.ndjson").write_bytes(b"\n".join(map(orjson.dumps, events)))
    path = folder / "report.html"
    given = [str(pack), str(folder / "events.ndjson"), "-q", "--report", str(path)]
    done = CliRunner().invoke(app, ["run", *given])
    assert done.exit_code == 0, done.output
    assert len(done.stdout.splitlines()) == 7  # matches go where they go without it
    return path


def test_a_page_is_whole_and_its_data_are_data(report: Path) -> None:
    page = report.read_text("utf-8")
    assert page.count("<script") == page.count("</script>") == 2
    assert "<img" not in page
    assert not re.search(r"""(?:src|href)=["'](?!#)""", page)
    style = re.search(r"<style>(.*?)</style>", page, re.DOTALL)
    script = re.search(r"<script>(.*?)</script>", page, re.DOTALL)
    assert style
    assert script
    for text in (style[1], script[1]):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"sha256-{digest}" in page.replace("&#43;", "+")
    assert "default-src &#39;none&#39;" in page
    data = data_of(page)
    titles = [each["title"] for each in data["rules"]]
    assert titles[0] == "Many Failed Logons"  # of the highest level
    assert HOSTILE in titles
    (index,) = map(json.loads, map(unpacked, data["index"]))
    assert [titles[each] for each in index["rule"]].count(HOSTILE) == 2
    assert index["reasons"]["0"]["correlation"].startswith('{"type":"event_count"')
    certutil = index["reasons"][str(index["rule"].index(titles.index("Certutil")))]
    assert certutil["selections"] == [["program", True], ["verb", True], ["filter", False]]
    (events,) = map(unpacked, data["events"])
    assert len(events.split("\n")) == data["shown"] == 7
    assert data["notes"] == []


def test_a_report_has_bounds_and_tells_them(pack: Pack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report_data, "MOST_EVENT", 100)
    monkeypatch.setattr(report_data, "MOST_EVENTS", 500)
    monkeypatch.setattr(report_data, "MOST_EXPLAINED_OF_A_RULE", 3)
    monkeypatch.setattr(report_data, "_IN_A_BLOCK", 4)
    details = Details(pack)
    kept = Kept(details, most=10)
    titles = [rule.title for rule in pack.rules]
    low, high = titles.index("Logon Failed"), titles.index("Brute Force")
    event = orjson.dumps({"EventID": 4625, "x": "ä" * 60})
    for _ in range(20):
        kept.add([packed(low, SOURCE, b"", b"{}")])
    for _ in range(6):
        kept.add([packed(high, SOURCE, b"", event)])
    data = ReportData(details, kept).plain("said")
    assert [each["title"] for each in data["rules"]] == ["Brute Force", "Logon Failed"]
    assert len(data["index"]) == 3
    assert sum(len(json.loads(unpacked(block))["reasons"]) for block in data["index"]) == 6
    assert data["notes"] == [
        "10 of 26 results are in this page: those of the highest levels, and of one level the first ones. Choose fewer "
        "with --min-level, --rule or --tag.",
        "The events of 3 of the results are left out, as all events together would be more than 0 MiB.",
        "Of the events, 6 are cut after 100 bytes.",
    ]


def test_what_waits_is_bounded(pack: Pack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report_data, "MOST_WAITING", 1000)
    kept = Kept(Details(pack))
    event = orjson.dumps({"EventID": 4625, "Computer": "x" * 200})
    kept.add([packed(2, SOURCE, b"", event)] * 10)
    assert [bool(result.event) for result in kept.results()] == [True] * 3 + [False] * 7


def test_what_cannot_be_written_is_told_before_the_work(
    pack_folder: Path, events: Path, tmp_path: Path
) -> None:
    for path, status in ((tmp_path / "no" / "report.html", 1), (events, 2)):
        given = ["run", str(pack_folder), str(events), "--report", str(path)]
        done = CliRunner().invoke(app, given)
        assert done.stdout == ""
        assert done.exit_code == status
    assert events.read_bytes().count(b"\n") == len(EVENTS)


# In a browser


def test_hostile_text_is_text(page: Page, report: Path) -> None:
    page.open_ready(report)
    assert page.text("#count") == "7 results"
    for number in range(7):
        page.value(f"document.querySelectorAll('#rows tr.row button')[{number}].click()")
        page.wait_for("document.getElementById('event').textContent !== '…'")
        page.value("document.querySelector('#rows button[aria-expanded=true]').click()")
    page.search('needle "User":"<', "1 result of 7")
    page.value("document.querySelector('#rows tr.row button').click()")
    page.wait_for("document.getElementById('event').textContent.includes('onerror')")
    assert HOSTILE in page.text("#rows tr.row")
    for where in ("#rules", "#hosts", "#users"):
        assert HOSTILE in page.text(where)
    assert page.value("document.querySelectorAll('img, svg, iframe').length") == 0
    assert page.value("typeof window.hacked") == "undefined"
    assert page.complaints == []


def test_a_page_is_searched_filtered_and_read_by_keys(page: Page, report: Path) -> None:
    page.open_ready(report)
    page.press("/", "/")
    page.type("CERTUTIL anna")
    page.wait_for("document.getElementById('count').textContent === '1 result of 7'")
    assert "198.51.100.7" in page.text("#rows")
    page.press("Escape")
    page.wait_for("document.getElementById('count').textContent === '7 results'")
    page.value("document.querySelector('#levels button.high').focus()")
    page.press("Enter", "\r")
    page.wait_for("document.getElementById('count').textContent === '2 results of 7'")
    assert page.value("document.activeElement.id") == "level-high"
    page.value("document.querySelector('#levels button.high').click()")
    page.value(
        "[...document.querySelectorAll('#matrix .cell')].find((e) => e.innerText.startsWith('T1105')).click()"
    )
    page.wait_for("document.getElementById('count').textContent === '1 result of 7'")
    while page.value("document.querySelectorAll('#filters button').length"):
        page.value("document.querySelector('#filters button').click()")
        page.wait_for("document.getElementById('count').textContent !== 'x'")
    page.wait_for("document.getElementById('count').textContent === '7 results'")
    page.value("document.querySelector('#rows tr.row button').focus()")
    page.press("ArrowDown")
    page.press("Enter", "\r")
    page.wait_for("document.querySelectorAll('#rows button')[1].ariaExpanded === 'true'")
    assert "EventID" in page.text("#event")
    page.press("Escape")
    page.wait_for("document.querySelector('tr.detail') === null")
    before = page.value("getComputedStyle(document.body).backgroundColor")
    page.value("document.getElementById('theme').click()")
    assert page.value("getComputedStyle(document.body).backgroundColor") != before
    assert page.complaints == []


def test_a_hundred_thousand_results_are_usable(page: Page, report: Path, tmp_path: Path) -> None:
    data = data_of(report.read_text("utf-8"))
    count = 5_000
    columns = {
        "time": [1.7e12 + 1000 * i for i in range(count)],
        "rule": [i % len(data["rules"]) for i in range(count)],
        "host": [i % 2 for i in range(count)],
        "user": [-1] * count,
        "file": [0] * count,
        "position": list(range(count)),
        "fields": [f"CommandLine=cmd {i}" for i in range(count)],
        "reasons": {},
    }

    def block(content: bytes) -> str:
        return base64.b64encode(gzip.compress(content, 1)).decode()

    events = b"\n".join(b'{"n":%d,"x":"%s"}' % (i, b"y" * 500) for i in range(count))
    index = [block(orjson.dumps(columns))] * 20
    data |= {"shown": 20 * count, "index": index, "events": [block(events)] * 20}
    large = tmp_path / "large.html"
    large.write_bytes(render("results", "Large", data))
    page.open_ready(large)
    assert page.text("#count") == "100,000 results"
    assert page.value("document.querySelectorAll('#rows tr').length") == 100
    page.search('"n":4711,', "20 results of 100,000")
    page.search("nothing like it", "0 results of 100,000")
    assert page.complaints == []
