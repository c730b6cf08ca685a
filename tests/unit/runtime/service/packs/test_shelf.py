"""Packs in service: the shelf, the watched path, bad packs, what is remembered."""

from __future__ import annotations

import json
import os
import shutil
import stat
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from structlog.testing import capture_logs

from sigmac.runtime.errors import ConfigurationError, PackError
from sigmac.runtime.pack.seal import MANIFEST, SIGNATURE, render_signature
from sigmac.runtime.service.config.sections import PackSettings
from sigmac.runtime.service.packs.shelf import KEPT, PackShelf, PathWatch
from tests.unit.runtime.service.conftest import Run, Stage, eventually, make, reseal
from tests.unit.runtime.service.packs.bad_packs import BAD, first_line

Packs = dict[str, Path]


@pytest.fixture
def path(packs: Packs, tmp_path: Path) -> Path:
    """A configured path with pack `1`, to be changed."""
    return Path(shutil.copytree(packs["1"], tmp_path / "path"))


@pytest.fixture
def shelf(path: Path, tmp_path: Path) -> PackShelf:
    return PackShelf("test", PackSettings(path=str(path)), tmp_path / "state")


def put(pack: Path, path: Path) -> None:
    """Replace the pack at a path, as `sigmac build` does: in one step."""
    new = path.with_name("new")
    shutil.copytree(pack, new)
    shutil.rmtree(path)
    new.rename(path)


def on_shelf(shelf: PackShelf) -> set[str]:
    folder = shelf.folder("x").parent
    return {each.name for each in folder.iterdir() if not each.name.startswith(".")}


# The shelf


def test_a_pack_is_copied_and_stays_as_it_was(shelf: PackShelf, path: Path, packs: Packs) -> None:
    digest = shelf.adopt(path)
    put(packs["2"], path)
    assert shelf.load(digest).version == "1"
    folder = shelf.folder(digest)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    names = {each.name for each in folder.iterdir()}
    assert names == {each.name for each in packs["1"].iterdir() if each.name != "__pycache__"}


def test_adopting_a_pack_again_mends_its_copy(shelf: PackShelf, path: Path) -> None:
    digest = shelf.adopt(path)
    (shelf.folder(digest) / "rules.py").write_text("damaged")
    with pytest.raises(PackError, match="was changed"):
        shelf.load(digest)
    assert shelf.adopt(path) == digest
    assert shelf.load(digest).version == "1"


def test_the_last_few_packs_are_kept(shelf: PackShelf, path: Path) -> None:
    digests = []
    for number in range(KEPT + 3):
        reseal(path, {"version": str(number)})
        digests.append(shelf.adopt(path))
        os.utime(shelf.folder(digests[-1]), (number, number))
        shelf.decide(digests[-1])
    assert on_shelf(shelf) == {*digests[-KEPT:], "running.json"}


def test_what_runs_and_ran_is_kept_however_old(shelf: PackShelf, path: Path) -> None:
    old = shelf.adopt(path)
    shelf.decide(old)
    for number in range(KEPT + 3):
        reseal(path, {"version": str(number)})
        new = shelf.adopt(path)
        os.utime(shelf.folder(old), (0, 0))
        shelf.decide(new)
        shelf.decide(old)
        assert {old, new} < on_shelf(shelf)
    assert len(on_shelf(shelf)) <= KEPT + 1


def test_a_refused_pack_is_removed(shelf: PackShelf, path: Path) -> None:
    shelf.decide(first := shelf.adopt(path))
    second = shelf.adopt(reseal(path, {"version": "2"}))
    shelf.discard(second)
    shelf.discard(first)
    assert on_shelf(shelf) == {first, "running.json"}


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", "7", '{"running": "../../etc"}', '{"running": 7}', '{"other": "x"}', "{}"],
)
def test_a_damaged_memory_is_told_and_forgotten(
    shelf: PackShelf, path: Path, tmp_path: Path, content: str
) -> None:
    shelf.decide(shelf.adopt(path))
    (shelf.folder("running.json")).write_text(content)
    with capture_logs() as logs:
        again = PackShelf("test", PackSettings(path=str(path)), tmp_path / "state")
    assert again.decision is None
    assert [entry["log_level"] for entry in logs] == ["warning"]


def test_what_a_crash_left_is_removed(shelf: PackShelf, path: Path, tmp_path: Path) -> None:
    left = shelf.folder(".new-abc")
    shutil.copytree(path, left)
    PackShelf("test", PackSettings(path=str(path)), tmp_path / "state")
    assert not left.exists()


def test_a_state_folder_that_cannot_be_written(path: Path, tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file")
    with pytest.raises(ConfigurationError, match=r"state: .* cannot be written: Not a directory"):
        PackShelf("test", PackSettings(path=str(path)), tmp_path / "state")


def test_only_the_pack_that_the_configuration_means_is_taken(path: Path, tmp_path: Path) -> None:
    manifest = json.loads((path / "manifest.json").read_bytes())
    named = PackSettings(path=str(path), name=manifest["name"], least_version="1")
    shelf = PackShelf("test", named, tmp_path / "named")
    shelf.decide(digest := shelf.adopt(path))
    with pytest.raises(PackError, match=r"version 0\.9, which is below 1"):
        shelf.adopt(reseal(path, {"version": "0.9"}))
    later = PackShelf("test", named.model_copy(update={"least_version": "2"}), tmp_path / "named")
    with pytest.raises(PackError, match="which is below 2"):
        later.load(digest)
    other = PackShelf("test", PackSettings(path=str(path), name="other"), tmp_path / "other")
    with pytest.raises(PackError, match="not 'other'"):
        other.adopt(path)


def test_a_key_that_cannot_be_read(path: Path, tmp_path: Path) -> None:
    settings = PackSettings(path=str(path), trusted_keys=(tmp_path / "none.pub",))
    with pytest.raises(ConfigurationError, match=r"trusted_keys: .*none.pub cannot be read"):
        PackShelf("test", settings, tmp_path / "state")


def test_only_packs_signed_by_a_trusted_key(path: Path, packs: Packs, tmp_path: Path) -> None:
    mine, other = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    public = tmp_path / "release.pub"
    public.write_text(mine.public_key().public_bytes_raw().hex())
    settings = PackSettings(path=str(path), trusted_keys=(public,))
    shelf = PackShelf("test", settings, tmp_path / "state")

    def sign(key: Ed25519PrivateKey) -> None:
        pem = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        signature = render_signature((path / MANIFEST).read_bytes(), pem)
        (path / SIGNATURE).write_bytes(signature)

    with pytest.raises(PackError, match=f"{path}: the pack is not signed"):
        shelf.adopt(path)
    sign(other)
    with pytest.raises(PackError, match=f"{path}: the pack is signed by a key that is not trusted"):
        shelf.adopt(path)
    assert on_shelf(shelf) == set()
    sign(mine)
    digest = shelf.adopt(path)
    assert shelf.load(digest).version == "1"
    # The same pack with another signature: the copy's signature follows.
    sign(other)
    with pytest.raises(PackError):
        shelf.adopt(path)
    assert shelf.load(digest).version == "1"


# The watched path


def test_a_new_pack_is_seen_once_and_when_nobody_writes_any_more(
    shelf: PackShelf, path: Path, packs: Packs
) -> None:
    digest = shelf.adopt(path)
    shelf.decide(digest, taken=digest)
    watch = PathWatch(shelf)
    assert [watch.look() for _ in range(3)] == [None] * 3
    put(packs["2"], path)
    assert watch.look() is None
    assert watch.changing
    (path / "half").write_bytes(b"written")
    assert watch.look() is None
    (path / "half").unlink()
    assert watch.look() is None
    assert watch.look() == path
    assert not watch.changing
    assert [watch.look() for _ in range(3)] == [None] * 3


def test_a_path_that_goes_away_is_told_once(shelf: PackShelf, path: Path) -> None:
    digest = shelf.adopt(path)
    shelf.decide(digest, taken=digest)
    watch = PathWatch(shelf)
    shelf.path = str(path.with_name("no_such_installed_pack")).rpartition("/")[2]
    with capture_logs() as logs:
        assert [watch.look() for _ in range(3)] == [None] * 3
    assert [entry["event"] for entry in logs] == ["a pack's path cannot be read"]


def test_a_pack_written_over_the_path_is_taken(stage: Stage, path: Path, packs: Packs) -> None:
    stage.pack = path
    with stage.running(reload={"watch": 0.05, "timeout": 30}) as run:
        run.when_ready()
        put(packs["2"], path)
        (pack,) = run.when(lambda status: status.packs[0].version == "2").packs
        assert (pack.previous, pack.reloads, pack.path) == ("1", 1, str(path))


def test_a_path_is_watched_on_after_a_bug(
    stage: Stage, packs: Packs, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with stage.running(packs={"test": {"path": str(path)}}, reload={"watch": 0.05}) as run:
        run.when_ready()
        look = PathWatch.look
        failures = [RuntimeError("a bug")]

        def fails_once(watch: PathWatch) -> Path | None:
            if failures:
                raise failures.pop()
            return look(watch)

        monkeypatch.setattr(PathWatch, "look", fails_once)
        eventually(lambda: not failures)
        put(packs["2"], path)
        run.when(lambda _: run.versions() == ["2"])


def test_a_bad_pack_at_the_path_is_refused_once(stage: Stage, path: Path, packs: Packs) -> None:
    stage.pack = path
    with stage.running(reload={"watch": 0.05, "timeout": 30}) as run:
        run.when_ready()
        (path / "rules.py").write_text("changed")
        (path / MANIFEST).write_text("no manifest")
        refused = run.when(lambda status: status.packs[0].refused)
        assert refused.packs[0].last_refusal == (
            f"{path}: the manifest is damaged; build the pack again"
        )
        put(packs["3"], path)
        (pack,) = run.when(lambda status: status.packs[0].version == "3").packs
        assert (pack.refused, pack.reloads) == (1, 1)
        assert run.status().ready


# Bad packs


@pytest.fixture(scope="module")
def in_service(
    packs: Packs, shelved: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[float], tuple[Stage, Run]]]:
    """A service by its `reload.timeout`, which bad packs are pushed to, one after the other."""
    with ExitStack() as stack:

        @cache
        def service(timeout: float) -> tuple[Stage, Run]:
            folder = tmp_path_factory.mktemp("service")
            stage = Stage(folder, packs["1"], shutil.copytree(shelved, folder / "state"))
            reload = {"watch": 0, "timeout": timeout}
            run = stack.enter_context(stage.running(1, reload=reload))
            run.when_ready()
            return stage, run

        yield service


@pytest.mark.parametrize("name", BAD)
def test_a_bad_pack_is_refused_and_hurts_nobody(
    name: str,
    in_service: Callable[[float], tuple[Stage, Run]],
    packs: Packs,
    tmp_path: Path,
) -> None:
    spoil, reason = BAD[name]
    stage, run = in_service(4 if reason == "the pack is too slow" else 100)
    pack = Path(shutil.copytree(packs["3"], tmp_path / "pack"))
    spoil(pack)
    before = run.status()
    outcome = run.supervisor.push("test", pack)
    assert (outcome.accepted, outcome.version) == (False, "1")
    assert reason in outcome.reason
    assert "\n" not in outcome.reason
    status = run.status()
    assert status.packs[0].refused == before.packs[0].refused + 1
    assert status.packs[0].last_refusal == outcome.reason
    assert (status.ready, status.packs[0].version) == (True, "1")
    assert status.workers[0].pid == before.workers[0].pid
    assert stage.told(0, "prepare") == []
    assert len(list((stage.state / "packs" / "test").glob("[!.]*"))) == 2  # the one that runs


def test_there_are_enough_bad_packs() -> None:
    assert len(BAD) >= 20


# What runs


def test_rollback_and_back(stage: Stage, packs: Packs) -> None:
    with stage.running() as run:
        run.when_ready()
        outcome = run.supervisor.rollback("test")
        assert (outcome.accepted, outcome.reason) == (False, "no pack ran before this one")
        assert run.supervisor.push("test", packs["2"]).accepted
        for version, previous in (("1", "2"), ("2", "1")):
            outcome = run.supervisor.rollback("test")
            assert (outcome.accepted, outcome.version) == (True, version)
            assert run.status().packs[0].previous == previous


def test_a_restart_brings_back_what_ran(stage: Stage, packs: Packs) -> None:
    with stage.running() as run:
        run.when_ready()
        assert run.supervisor.push("test", packs["2"]).accepted
        folder = run.status().packs[0].path
    with stage.running() as run:
        (pack,) = run.when_ready().packs
        assert (pack.version, pack.previous, pack.path) == ("2", "1", folder)
        assert stage.told(0, "configure")[-1]["packs"] == {"test": {"folder": folder}}
        assert run.supervisor.rollback("test").accepted
    with stage.running() as run:
        assert run.when_ready().packs[0].version == "1"


def test_the_path_wins_where_it_changed_while_nothing_ran(
    stage: Stage, path: Path, packs: Packs
) -> None:
    stage.pack = path
    with stage.running() as run:
        run.when_ready()
        assert run.supervisor.push("test", packs["2"]).accepted
    put(packs["3"], path)
    with stage.running() as run:
        (pack,) = run.when_ready().packs
        assert (pack.version, pack.previous) == ("3", "2")


def test_a_bad_pack_at_the_path_does_not_keep_the_last_one_from_starting(
    stage: Stage, path: Path
) -> None:
    stage.pack = path
    (path / MANIFEST).write_text("{}")
    with stage.running() as run:
        (pack,) = run.when_ready().packs
        assert (pack.version, pack.refused) == ("1", 1)
        assert pack.last_refusal == f"{path}: the manifest is damaged; build the pack again"


def test_a_lost_copy_is_taken_from_the_path_again(stage: Stage, path: Path) -> None:
    stage.pack = path
    for each in (stage.state / "packs" / "test").glob("?" * 64):
        shutil.rmtree(each)
    with capture_logs() as logs, stage.running() as run:
        assert run.when_ready().packs[0].version == "1"
    assert "the pack that ran last is lost" in [entry["event"] for entry in logs]


def test_without_any_good_pack_the_service_does_not_start(stage: Stage, path: Path) -> None:
    stage.pack = path
    shutil.rmtree(stage.state)
    first_line(path, "raise RuntimeError('boom')")
    with stage.running() as run:
        error = run.ended()
    assert isinstance(error, PackError)
    assert str(error) == "the pack fails: RuntimeError('boom')"


def test_the_same_pack_again_changes_nothing(stage: Stage, packs: Packs) -> None:
    with stage.running() as run:
        run.when_ready()
        outcome = run.supervisor.push("test", packs["1"])
        assert (outcome.accepted, outcome.reason) == (True, "this pack runs already")
        assert run.status().packs[0].reloads == 0
        assert stage.told(0, "prepare") == []


def test_a_pushed_pack_has_to_be_signed_unless_any_is_allowed(stage: Stage, packs: Packs) -> None:
    with stage.running(control=None) as run:
        run.when_ready()
        outcome = run.supervisor.push("test", packs["2"])
        assert not outcome.accepted
        assert outcome.reason.startswith("a pushed pack has to be signed")
        assert run.versions() == ["1"]


def test_pushes_at_once_are_taken_one_after_the_other(
    stage: Stage, packs: Packs, tmp_path: Path
) -> None:
    from concurrent.futures import ThreadPoolExecutor

    with stage.running() as run, ThreadPoolExecutor(4) as pool:
        run.when_ready()
        new = [make(tmp_path / str(n), f"{n}", "Apple") for n in range(10, 14)]
        outcomes = list(pool.map(lambda pack: run.supervisor.push("test", pack), new))
        assert all(outcome.accepted for outcome in outcomes)
        assert run.status().packs[0].reloads == 4
        for worker in (0, 1):
            last = stage.told(worker, "prepare")[-1]
            manifest = json.loads((Path(last["folder"]) / MANIFEST).read_text())
            assert [manifest["version"]] == run.versions()
            eventually(lambda: len(stage.told(worker, "swap")) == 4)  # noqa: B023
