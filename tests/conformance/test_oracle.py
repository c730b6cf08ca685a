"""Packs agree with an independent implementation on recorded events, but for its known limitations."""

from __future__ import annotations

import pytest

from tests.conformance.corpora import Recording, SigmaHQ
from tests.conformance.oracle import QUESTIONS, RECORDINGS, compare
from tests.conformance.reasons import REASONS, reason_of


@pytest.mark.parametrize("recording", RECORDINGS, ids=lambda each: each.name)
@pytest.mark.parametrize("pipelines", QUESTIONS, ids=lambda names: "+".join(names) or "detection")
def test_every_difference_from_the_oracle_has_a_reason(
    pipelines: tuple[str, ...], recording: Recording, sigmahq: SigmaHQ
) -> None:
    compared = compare(sigmahq, pipelines, recording)
    assert [str(each) for each in compared.differences if reason_of(each) is None] == []
    assert compared.both > 100


def test_every_reason_is_needed(sigmahq: SigmaHQ) -> None:
    needed = {
        reason_of(difference)
        for pipelines in QUESTIONS
        for recording in RECORDINGS
        for difference in compare(sigmahq, pipelines, recording).differences
    }
    assert set(REASONS) - needed == set()
