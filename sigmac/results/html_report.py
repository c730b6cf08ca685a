"""A report: one HTML page that fetches nothing, runs no script but its own, and shows hostile text as text."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import Any

import orjson

from sigmac.results.details import Details
from sigmac.results.report_data import Kept, ReportData

# What HTML would read as more than text, in JSON between tags
_IN_HTML = {
    "<": "\\u003c",
    ">": "\\u003e",
    "&": "\\u0026",
    "\u2028": "\\u2028",
    "\u2029": "\\u2029",
}
_ESCAPES = str.maketrans(_IN_HTML)


def write_report(path: Path, details: Details, kept: Kept, title: str, said: str) -> None:
    """Write the report of the results that are kept; `said` is a sentence on the run.

    Raises `OSError` where it cannot be written.
    """
    data = ReportData(details, kept).plain(said)
    path.write_bytes(render(title, data).encode("utf-8", "backslashreplace"))


def render(title: str, data: dict[str, Any]) -> str:
    """The page around its data."""
    import jinja2
    from markupsafe import Markup

    page = jinja2.Environment(
        loader=jinja2.PackageLoader("sigmac", "templates/report"),
        undefined=jinja2.StrictUndefined,
        autoescape=True,
    )
    style = page.get_template("style.css.j2").render()
    script = page.get_template("script.js.j2").render()
    return page.get_template("page.html.j2").render(
        title=title,
        policy=_policy(style, script),
        style=Markup(style),
        script=Markup(script),
        data=Markup(orjson.dumps(data).decode("utf-8").translate(_ESCAPES)),
    )


def _policy(style: str, script: str) -> str:
    """Nothing is loaded, sent or run but the style and the script with these digests."""
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src '{_digest(script)}'",
            f"style-src '{_digest(style)}'",
            "base-uri 'none'",
            "form-action 'none'",
            "require-trusted-types-for 'script'",
            "trusted-types 'none'",
        )
    )


def _digest(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode('ascii')}"
