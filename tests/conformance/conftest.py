"""What the conformance tests share; they are skipped where the corpora are not beside the repository."""

from __future__ import annotations

import pytest

from tests.conformance.corpora import FOLDER, MISSING, SigmaHQ


@pytest.fixture(scope="session")
def sigmahq(tmp_path_factory: pytest.TempPathFactory) -> SigmaHQ:
    """SigmaHQ's rules and the packs made of them."""
    if not FOLDER.is_dir():
        pytest.skip(MISSING)
    return SigmaHQ(tmp_path_factory.mktemp("sigmahq"))
