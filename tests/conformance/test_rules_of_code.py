"""SigmaHQ's rules read back from the code of a pack, as `sigmac explain PACK#ID` does: they say what the pack says."""

from __future__ import annotations

import pytest

from sigmac.compiler.meaning import reference
from sigmac.compiler.meaning.rule_of_code import rule_of_code
from sigmac.runtime.pack.contents import read_contents
from tests.conformance.corpora import EVTX_ATTACK, REGRESSION, Recording, SigmaHQ
from tests.conformance.reference_pack import remembering

EVERY = 499  # of the pairs of an event and a rule that does not match it


@pytest.mark.parametrize(
    "pipelines", [(), ("windows", "windows-audit")], ids=["detection", "windows+windows-audit"]
)
@pytest.mark.parametrize("recording", [REGRESSION, EVTX_ATTACK], ids=lambda each: each.name)
def test_a_rule_read_back_matches_what_its_pack_matches(
    pipelines: tuple[str, ...], recording: Recording, sigmahq: SigmaHQ
) -> None:
    compiled = sigmahq.pack(*pipelines)
    contents = read_contents(compiled.pack.path)
    read = [rule_of_code(each) for each in contents.rules]
    assert [each.meta.id for each, _ in read] == [rule.id for rule in compiled.pack.rules]
    matches = compiled.matches(recording)
    wrong = []
    with remembering():
        for at, event in enumerate(recording.events):
            for number, (rule, variants) in enumerate(read):
                is_match = (at, number) in matches
                if is_match or (at * len(read) + number) % EVERY == 0:
                    whole = bool(reference.matches(rule, event))
                    parts = any(reference.matches(each.rule, event) for each in variants)
                    if not whole == parts == is_match:
                        wrong.append((at, compiled.sources[number]))
    assert len(matches) > 100
    assert wrong == []
