"""What `sigmac build --verify` finds in rules of every construct: nothing, as the pack says what they mean."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from sigmac.compiler.packaging.build import BuildOptions, compile_sources
from sigmac.compiler.packaging.build_cache import Cache
from sigmac.compiler.syntax.rule_files import SourceFile
from sigmac.compiler.validation.verify import verify
from tests.examples import examples
from tests.property.strategies import PLACEHOLDERS, as_yaml, rule_sets


@examples(30)
@given(rule_sets, st.sampled_from([(), ("windows", "windows-audit")]), st.booleans())
def test_a_build_of_any_rules_verifies(
    made: list[dict[str, object]], pipelines: tuple[str, ...], optimize: bool
) -> None:
    with tempfile.TemporaryDirectory() as name:
        file = Path(name, "rules.yml")
        file.write_bytes(as_yaml(made))
        options = BuildOptions(
            "pack",
            pipelines=pipelines,
            placeholders=PLACEHOLDERS,
            optimize=optimize,
            skip_errors=True,
            jobs=1,
        )
        result = compile_sources([SourceFile(str(file), "rules.yml", file)], options, Cache(None))
        if result.rendered:
            found = verify(result, options)
            assert [str(each) for each in found.differences] == []
            assert found.rules == result.rules
