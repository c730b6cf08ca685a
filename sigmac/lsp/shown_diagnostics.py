"""Diagnostics of the compiler as editors show them: range, severity, a link to what the code means, other places."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import cache

from lsprotocol import types

from sigmac.compiler.diagnostics.catalogue import catalogue, reference
from sigmac.compiler.diagnostics.diagnostic import Diagnostic, Place
from sigmac.compiler.packaging.build_cache import default_folder
from sigmac.lsp.texts.open_text import OpenText, uri_of
from sigmac.runtime.private_folder import private_folder

SOURCE = "sigmac"
_SEVERITIES = {
    "error": types.DiagnosticSeverity.Error,
    "warning": types.DiagnosticSeverity.Warning,
    "note": types.DiagnosticSeverity.Information,
}
# What says nothing else than that something has no use is shown faded.
_NAME = "checks.md"
_UNUSED = frozenset({"W_UNUSED", "N_IGNORE", "W_FILTER_UNUSED", "W_TIMEFRAME"})

Locate = Callable[[Place], types.Location]


def shown(
    found: Iterable[Diagnostic], text: OpenText, locate: Locate, folders: Iterable[str] = ()
) -> list[types.Diagnostic]:
    """The diagnostics of a text; `locate` gives the places in other files, which messages name from `folders` on."""
    return [_with_places(each, text, locate, folders) for each in found]


def _with_places(
    found: Diagnostic, text: OpenText, locate: Locate, folders: Iterable[str]
) -> types.Diagnostic:
    made = _shown(found, text)
    for folder in folders:
        made.message = made.message.replace(f"{folder}/", "")
    made.related_information = [
        types.DiagnosticRelatedInformation(locate(place), "here") for place in found.related
    ] or None
    return made


def _shown(found: Diagnostic, text: OpenText) -> types.Diagnostic:
    """A diagnostic without other places."""
    hint = f"\n{found.hint}" if found.hint else ""
    page = _page() if found.code in catalogue() else None
    return types.Diagnostic(
        text.positions.range_of(found.place),
        f"{found.message}{hint}",
        severity=_SEVERITIES[found.severity],
        code=found.code,
        code_description=types.CodeDescription(f"{page}#{found.code.lower()}") if page else None,
        source=SOURCE,
        tags=[types.DiagnosticTag.Unnecessary] if found.code in _UNUSED else None,
    )


@cache
def _page() -> str | None:
    """The URI of a page with all codes, which is written beside the cache of builds; None where it cannot be."""
    folder = default_folder()
    if folder is None:
        return None
    with suppress(OSError), private_folder(folder / "lsp") as kept:
        kept.write(_NAME, reference().encode(), prefix=".unfinished-")
        return uri_of(str(kept.path / _NAME))
    return None
