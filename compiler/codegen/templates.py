"""The Jinja2 environment of `templates/`: it prints numbers and `Code`, and refuses everything else."""

from __future__ import annotations

from functools import cache
from typing import Any

from sigmac.compiler.codegen.quoting import Code


def _finalize(value: Any) -> Any:
    # A string that did not come out of codegen/text.py would be a rule author's text on its way to becoming code.
    if isinstance(value, (Code, int)) and not isinstance(value, bool):
        return value
    raise TypeError(f"a template tried to print {type(value).__name__} {value!r:.60}")


@cache
def _environment() -> Any:
    import jinja2

    return jinja2.Environment(
        loader=jinja2.PackageLoader("sigmac", "templates"),
        undefined=jinja2.StrictUndefined,
        finalize=_finalize,
        autoescape=False,  # Python, not HTML: quoting is codegen/text.py's
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def render(template: str, **values: Any) -> Code:
    """A template of `templates/` filled in. Raises `TypeError` where a value is no `Code` and no number."""
    return Code(_environment().get_template(f"{template}.py.j2").render(**values))
