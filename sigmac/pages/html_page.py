"""A page around its data: what it may load and run, and how data stand in it."""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from jinja2 import Environment

# What HTML would read as more than text, in JSON between tags
_IN_HTML = {
    "<": "\\u003c",
    ">": "\\u003e",
    "&": "\\u0026",
    "\u2028": "\\u2028",
    "\u2029": "\\u2029",
}
_ESCAPES = str.maketrans(_IN_HTML)


def render(name: str, title: str, data: dict[str, Any]) -> bytes:
    """The page of a name, as `templates/pages` has them, around its data; the same for the same data."""
    from markupsafe import Markup

    script = _templates().get_template(f"{name}.js.j2").render()
    text = orjson.dumps(data).decode("utf-8").translate(_ESCAPES)
    return _page(name, title, script, script=Markup(script), data=Markup(text))


def render_plain(name: str, title: str, **values: Any) -> bytes:
    """A page that has no script: what its template makes of some values, all text in them escaped."""
    return _page(name, title, None, **values)


def _page(name: str, title: str, runs: str | None, **values: Any) -> bytes:
    from markupsafe import Markup

    templates = _templates()
    style = templates.get_template("style.css.j2").render()
    policy = _policy(style, runs)
    page = templates.get_template(f"{name}.html.j2")
    text = page.render(title=title, policy=policy, style=Markup(style), **values)
    return text.encode("utf-8", "backslashreplace")


def _templates() -> Environment:
    import jinja2

    return jinja2.Environment(
        loader=jinja2.PackageLoader("sigmac", "templates/pages"),
        undefined=jinja2.StrictUndefined,
        autoescape=True,
    )


def _policy(style: str, script: str | None) -> str:
    """Nothing is loaded, sent or run but the style and the script with these digests."""
    return "; ".join(
        (
            "default-src 'none'",
            "script-src 'none'" if script is None else f"script-src '{_digest(script)}'",
            f"style-src '{_digest(style)}'",
            "base-uri 'none'",
            "form-action 'none'",
            "require-trusted-types-for 'script'",
            "trusted-types 'none'",
        )
    )


def _digest(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode('ascii')}"
