"""The kernels are there before anything whose time is measured, wherever they can be kept."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from sigmac.runtime.service.packs import kernels
from sigmac.runtime.service.packs.kernels import KernelsAtHand, prepare_kernels
from tests.unit.runtime.service.conftest import Stage


def never() -> bool:
    return False


def prepared(
    monkeypatch: pytest.MonkeyPatch, state: Path, user: int, own: int
) -> tuple[KernelsAtHand, list[str]]:
    """What is at hand where the user's cache and that of the state folder end with these statuses; the warnings."""

    def keep(environment: Mapping[str, str], _: object) -> int:
        return own if environment["SIGMAC_CACHE_DIR"] == str(state / "cache") else user

    monkeypatch.setattr(kernels, "_keep", keep)
    with capture_logs() as logs:
        found = prepare_kernels(
            {"SIGMAC_KERNELS": "jit", "SIGMAC_CACHE_DIR": "/cache"}, state, never
        )
    return found, [each["event"] for each in logs]


def test_where_the_cache_takes_them_nothing_else_is_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert prepared(monkeypatch, tmp_path, 0, 3) == (KernelsAtHand(), [])


def test_where_it_does_not_the_state_folder_has_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found, said = prepared(monkeypatch, tmp_path, 3, 0)
    assert found == KernelsAtHand({"SIGMAC_CACHE_DIR": str(tmp_path / "cache")})
    assert said == ["compiled kernels cannot be kept in the cache; the state folder has them"]


def test_where_nothing_can_be_kept_no_pack_is_blamed_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found, said = prepared(monkeypatch, tmp_path, 3, 3)
    assert found == KernelsAtHand(trials={"SIGMAC_KERNELS": "off"})
    assert "every worker compiles them for itself" in said[-1]


def test_where_none_can_be_compiled_it_goes_on_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert prepared(monkeypatch, tmp_path, 4, 0) == (KernelsAtHand(), [])


@pytest.mark.parametrize("choice", ["off", "/a/library.so"])
def test_nothing_is_compiled_where_none_are_wanted(
    choice: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kernels, "_keep", lambda *_: pytest.fail("it compiles"))
    assert prepare_kernels({"SIGMAC_KERNELS": choice}, tmp_path, never) == KernelsAtHand()


def test_a_cache_that_cannot_be_written_is_known_before_a_minute_is_over(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    environment = {**os.environ, "SIGMAC_CACHE_DIR": str(tmp_path / "file")}
    with capture_logs() as logs:
        assert kernels._keep(environment, never) in (3, 4)  # 4 where Numba is missing
    assert not any("compiles its kernels" in each["event"] for each in logs)


def test_a_stop_does_not_wait_for_the_compiler(tmp_path: Path) -> None:
    environment = {**os.environ, "SIGMAC_CACHE_DIR": str(tmp_path)}
    assert kernels._keep(environment, lambda: True) < 0


def test_trials_and_workers_find_what_was_kept(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    added = KernelsAtHand({"SIGMAC_CACHE_DIR": "/kept"}, {"SIGMAC_KERNELS": "off"})
    tried: list[Mapping[str, str]] = []

    def try_pack(
        _: Path, __: float, environment: Mapping[str, str], *___: object, **____: object
    ) -> None:
        tried.append(environment)

    monkeypatch.delenv("SIGMAC_CACHE_DIR", raising=False)
    monkeypatch.setattr("sigmac.runtime.service.supervisor.prepare_kernels", lambda *_: added)
    monkeypatch.setattr("sigmac.runtime.service.packs.swap.try_pack", try_pack)
    (stage.state / "packs" / "test" / "running.json").unlink()
    with stage.running(1) as run:
        run.when_ready()
        assert stage.process(0)["environ"]["SIGMAC_CACHE_DIR"] == "/kept"
    (given,) = tried
    assert (given["SIGMAC_CACHE_DIR"], given["SIGMAC_KERNELS"]) == ("/kept", "off")
    monkeypatch.delenv("SIGMAC_CACHE_DIR")
