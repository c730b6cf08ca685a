"""All formats of logs, in the order in which a file is tried; JSON comes last, as much begins with a bracket."""

from __future__ import annotations

from sigmac.runtime.inputs import json_documents, ndjson
from sigmac.runtime.inputs.format import Format

FORMATS: tuple[Format, ...] = (ndjson.FORMAT, json_documents.FORMAT)
BY_NAME = {each.name: each for each in FORMATS}


def recognised(start: bytes) -> Format | None:
    """The format of a file that begins so (decompressed, as UTF-8); None where none fits."""
    return next((each for each in FORMATS if each.recognises(start)), None)
