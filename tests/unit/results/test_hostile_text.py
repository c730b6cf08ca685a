"""Laws: whatever text a rule or an event has, cells have their width, spreadsheets compute nothing, pages hold data."""

from __future__ import annotations

import json
import re

from hypothesis import example, given
from hypothesis import strategies as st
from rich.cells import cell_len

from sigmac.pages.html_page import render
from sigmac.results.cells import fit
from sigmac.results.csv_form import safe_cell
from tests.examples import examples

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))


@given(TEXTS, st.integers(2, 40))
@example("机机", 3)
@example("e\u0301" * 30, 5)
@example("\u200b\u202e\x1b[2J", 8)
@example("👩‍👩‍👧‍👦" * 3, 7)
@examples(200)
def test_a_cell_has_its_width(text: str, width: int) -> None:
    shown = fit(text, width)
    assert cell_len(shown) == width
    assert shown.isprintable()


@given(TEXTS)
@example("\u2028=1")
@example(" \u00a0=1")
@examples(200)
def test_no_spreadsheet_computes_a_cell(text: str) -> None:
    cell = safe_cell(text)
    assert cell.isprintable()
    assert not re.match(r"\s*[=+\-@\uff1d\uff0b\uff0d\uff20]", cell)


@given(TEXTS)
@example("</script><!--<script>")
@example("{{ 7 * 7 }}{% raw %}")
@examples(25)
def test_a_page_holds_its_data_as_they_are(text: str) -> None:
    page = render("results", text, {"said": text}).decode()
    found = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page)
    assert [json.loads(each) for each in found] == [{"said": text}]
    assert page.count("<script") == 2
