"""A page around its data: what it may load and run, and how data stand in it."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

import orjson

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
    import jinja2
    from markupsafe import Markup

    page = jinja2.Environment(
        loader=jinja2.PackageLoader("sigmac", "templates/pages"),
        undefined=jinja2.StrictUndefined,
        autoescape=True,
    )
    style = page.get_template("style.css.j2").render()
    script = page.get_template(f"{name}.js.j2").render()
    text = page.get_template(f"{name}.html.j2").render(
        title=title,
        policy=_policy(style, script),
        style=Markup(style),
        script=Markup(script),
        data=Markup(orjson.dumps(data).decode("utf-8").translate(_ESCAPES)),
    )
    return text.encode("utf-8", "backslashreplace")


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
