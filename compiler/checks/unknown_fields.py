"""Checks of field names against what the events of a logsource have."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from itertools import islice

from sigmac.compiler.diagnostics.diagnostic import Diagnostic, Place
from sigmac.compiler.syntax.rule import Filter, Rule, items
from sigmac.compiler.taxonomy.event_schemas import EventSchema, schema_of

_SIGMA = "sigma"
_MOST = 100  # unknown fields of a document that are compared with those that are known


def unknown_fields(
    document: Rule | Filter, mapped: Collection[str] = frozenset()
) -> Iterator[Diagnostic]:
    """N_FIELD_UNKNOWN: a field that the events of the logsource do not have, where it stands first.

    `mapped` are fields that pipelines give other names: they know of them. In a rule of which no field is known names
    are told only where they are nearly some: it is written for events of another kind.
    """
    schema = schema_of(document.logsource)
    if schema is None or document.meta.taxonomy != _SIGMA:
        return
    places = _places(document)
    known = {name for name in places if name in schema.fields or name in mapped}
    spelled = {name.lower() for name in known}  # otherwise too, which W_FIELD_CASE tells
    unknown = (name for name in places if name not in known and name.lower() not in spelled)
    for name in islice(unknown, _MOST):
        near = schema.nearest(name)
        if near is not None or (schema.closed and known):
            yield _told(name, near, schema, places[name])


def _places(document: Rule | Filter) -> dict[str, Place]:
    """The fields of a document, each with the place where it stands first."""
    places: dict[str, Place] = {}
    for detection in document.detections.values():
        for item in items(detection):
            if item.field:
                places.setdefault(item.field, item.place)
    return places


def _told(name: str, near: str | None, schema: EventSchema, place: Place) -> Diagnostic:
    if schema.closed:
        message = f"`{name[:60]}` is no field of {schema.name}"
        hint = "such events do not have it: leave it out, or let a pipeline map it"
    else:
        message = f"`{name[:60]}` is not known as a field of {schema.name}"
        hint = ""
    return Diagnostic(
        "N_FIELD_UNKNOWN", message, place, f"did you mean `{near}`?" if near else hint
    )
