"""What becomes of SigmaHQ's rules in the Go engine, told without it and by it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from sigmac.compat.go.go_engine import GoEngine, build_engine
from sigmac.migration.go_rules import go_verdict
from sigmac.runtime.errors import ConfigurationError
from tests.conformance.corpora import SigmaHQ


def test_every_rule_of_sigmahq(sigmahq: SigmaHQ) -> None:
    try:
        program = build_engine()
    except ConfigurationError as error:
        pytest.skip(str(error))
    with GoEngine(program) as engine:
        made = engine.load([str(sigmahq.folder / "sigma")])
    verdicts = [go_verdict(Path(each["path"]).read_bytes(), each["path"]) for each in made]
    assert [
        (each["path"], each["outcome"], each.get("error"), found.reason)
        for each, found in zip(made, verdicts, strict=True)
        if each["outcome"] != found.outcome
    ] == []
    assert Counter(each["outcome"] for each in made)["ok"] > 3000
