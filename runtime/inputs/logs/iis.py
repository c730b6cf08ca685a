"""IIS's logs: W3C's extended format whose header says that IIS wrote it."""

from __future__ import annotations

from sigmac.runtime.inputs.format import Format
from sigmac.runtime.inputs.logs import w3c

FORMAT = Format(
    "iis",
    "log of Internet Information Services (W3C extended)",
    w3c.is_iis,
    w3c.read,
    {"category": "webserver", "product": "iis", "service": "iis"},
)
