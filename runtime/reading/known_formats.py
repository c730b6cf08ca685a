"""All formats of logs, in the order in which a file is tried: no two of them recognise the same beginning."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from sigmac.runtime.inputs import json_documents, ndjson
from sigmac.runtime.inputs.format import Format

# JSON is told by its first character, and the most frequent: others are loaded where it is none.
_JSON = (ndjson.FORMAT, json_documents.FORMAT)


@cache
def _others() -> tuple[Format, ...]:
    from sigmac.runtime.inputs.logs import (
        access_log,
        auditd,
        cef,
        iis,
        leef,
        syslog,
        w3c,
        zeek,
    )
    from sigmac.runtime.inputs.tables import arrow, delimited, parquet
    from sigmac.runtime.inputs.windows import event_xml, evtx_file

    binary = (evtx_file, parquet, arrow)
    text = (event_xml, zeek, iis, w3c, auditd, cef, leef, access_log, syslog, delimited)
    return tuple(each.FORMAT for each in (*binary, *text))


def formats() -> Mapping[str, Format]:
    """All formats by their names."""
    return {each.name: each for each in (*_JSON, *_others())}


def recognised(start: bytes) -> Format | None:
    """The format of a file that begins so (decompressed, as UTF-8); None where none fits."""
    for some in (lambda: _JSON, _others):
        for each in some():
            if each.recognises(start):
                return each
    return None
