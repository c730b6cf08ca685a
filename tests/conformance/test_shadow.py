"""The Go engine and sigmac over recorded events with all of SigmaHQ's rules: no difference without a known cause."""

from __future__ import annotations

import pytest

from sigmac.compat.go.go_engine import GoEngine, build_engine
from sigmac.migration.difference_causes import UNKNOWN
from sigmac.migration.go_configuration import GoConfiguration
from sigmac.migration.side_by_side import SideBySide
from sigmac.runtime.errors import ConfigurationError
from sigmac.runtime.inputs.lines import Block
from tests.conformance.corpora import EVTX_ATTACK, SigmaHQ

EVENTS = 400
EVERY = 20


def test_every_difference_has_a_cause(sigmahq: SigmaHQ) -> None:
    try:
        program = build_engine()
    except ConfigurationError as error:
        pytest.skip(str(error))
    lines = EVTX_ATTACK.data.splitlines()[: EVENTS * EVERY : EVERY]
    with GoEngine(program) as engine:
        folders = [str(sigmahq.folder / "sigma" / "rules")]
        both = SideBySide(engine, folders, GoConfiguration(), (), jobs=0)
        both.look(Block("events", b"\n".join(lines) + b"\n", 0, 0))
    found = both.finish()
    assert found.rules > 2500
    assert found.events == EVENTS
    assert [each.plain() for each in found.found if UNKNOWN in each.causes] == []
    assert len({cause for each in found.found for cause in each.causes}) >= 4
