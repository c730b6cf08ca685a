"""A report of a run: one HTML page to look through its results."""

from __future__ import annotations

from pathlib import Path

from sigmac.pages.html_page import render
from sigmac.results.details import Details
from sigmac.results.report_data import Kept, ReportData


def write_report(path: Path, details: Details, kept: Kept, title: str, said: str) -> None:
    """Write the report of the results that are kept; `said` is a sentence on the run.

    Raises `OSError` where it cannot be written.
    """
    path.write_bytes(render("results", title, ReportData(details, kept).plain(said)))
