"""`sigmac check --fix` over SigmaHQ's rules: the generated code stays the same, and nothing is left to mend."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sigmac.compiler.fixes.find_fixes import mend
from sigmac.compiler.packaging.writer import write_pack
from sigmac.compiler.syntax.rule_files import SourceFile
from tests.conformance.corpora import SigmaHQ

pytestmark = pytest.mark.slow

# Files of a pack that have metadata, which fixes may change, and the digests of all files
METADATA = {"manifest.json", "rules.py", "tables.npz"}


def test_the_code_of_mended_rules_is_the_same(sigmahq: SigmaHQ, tmp_path: Path) -> None:
    before: list[SourceFile] = []
    after: list[SourceFile] = []
    for number, source in enumerate(sigmahq.sources):
        made = mend(source.read().decode())
        assert made.dropped == (), source.file
        if made.fixes:
            path = tmp_path / f"{number}.yml"
            path.write_bytes(made.text.encode())
            assert mend(made.text).fixes == (), source.file
            before.append(source)
            after.append(replace(source, file=str(path), path=path))
    assert len(before) > 100
    for name, sources in (("before", before), ("after", after)):
        built = sigmahq.build("windows", "windows-audit", sources=sources)
        write_pack(built.rendered, tmp_path / name)
    files = [
        {
            str(path.relative_to(tmp_path / name)): path.read_bytes()
            for path in (tmp_path / name).rglob("*")
            if path.is_file()
        }
        for name in ("before", "after")
    ]
    assert files[0].keys() == files[1].keys() > METADATA
    assert {name for name in files[0] if files[0][name] != files[1][name]} == METADATA
    with (
        np.load(tmp_path / "before" / "tables.npz") as old,
        np.load(tmp_path / "after" / "tables.npz") as new,
    ):
        assert {name for name in old if not np.array_equal(old[name], new[name])} == {"metadata"}
