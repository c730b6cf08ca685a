"""Checks hold their tongue about good rules: what they say of SigmaHQ's is rare."""

from __future__ import annotations

import tarfile
from collections import defaultdict
from pathlib import Path

import pytest

from sigmac.compiler.checks.checker import check_sources
from sigmac.compiler.syntax.rule_files import find_sources
from tests.conformance.corpora import ACTIVE, FOLDER, MISSING

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not FOLDER.is_dir(), reason=MISSING)]

# The share of rules that may be spoken of, by severity. A note is advice, which more rules can need.
MAX_SHARE = {"warning": 0.01, "note": 0.05}


def test_no_code_is_said_of_many_good_rules(tmp_path: Path) -> None:
    with tarfile.open(FOLDER / "sigmahq" / "sigmahq-rules.tar.gz") as archive:
        archive.extractall(tmp_path, filter="data")
    sources = find_sources([tmp_path / "sigma" / folder for folder in ACTIVE])
    files = defaultdict(set)
    for found in check_sources(sources):
        if not found.is_error:
            files[found.severity, found.code].add(found.place.file)
    often = {
        code: len(spoken_of)
        for (severity, code), spoken_of in files.items()
        if len(spoken_of) > MAX_SHARE[severity] * len(sources)
    }
    assert often == {}
