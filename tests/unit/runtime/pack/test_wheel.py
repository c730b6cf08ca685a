"""A pack as a wheel: built, installed, and found by its name."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from sigmac.compiler.packaging.wheel import write_wheel
from tests.unit.packs import rule, write_text_pack

ROOT = Path(__file__).resolve().parents[4]
SCRIPT = """
import sigmac
pack = sigmac.load_pack("night-watch")
print(pack.name, pack.version, [m.rule.title for m in pack.match({"f": "a"})], pack.path)
try:
    sigmac.load_pack("day-watch")
except sigmac.PackError as error:
    print(error)
"""


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    folder = write_text_pack(rule("s: {f: a}\ncondition: s", "Found"), tmp_path / "rules")
    return write_wheel(folder, "night-watch", "1.2.3")


def test_a_wheel_is_the_same_for_the_same_pack(wheel: Path) -> None:
    before = wheel.read_bytes()
    (wheel.parent / "pack" / "__pycache__").mkdir()
    (wheel.parent / "pack" / "__pycache__" / "x.pyc").write_bytes(b"x")
    assert write_wheel(wheel.parent / "pack", "night-watch", "1.2.3").read_bytes() == before
    assert wheel.name == "sigmac_pack_night_watch-1.2.3-py3-none-any.whl"
    with zipfile.ZipFile(wheel) as archive:
        record = archive.read("sigmac_pack_night_watch-1.2.3.dist-info/RECORD").decode()
        assert [line.split(",")[0] for line in record.splitlines()] == archive.namelist()


def test_a_full_disk_leaves_the_old_wheel(wheel: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = wheel.read_bytes()

    def full(*arguments: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match=f"No space left on device: '{wheel}'"):
        write_wheel(wheel.parent / "pack", "night-watch", "1.2.3")
    assert wheel.read_bytes() == before
    assert [path for path in wheel.parent.iterdir() if path.name.startswith(".")] == []


def test_an_installed_wheel_is_found_by_its_name(wheel: Path, tmp_path: Path) -> None:
    target = tmp_path / "site"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    done = subprocess.run(
        [*pip, "--no-deps", "--no-index", "--target", str(target), str(wheel)],
        capture_output=True,
        text=True,
        check=False,
    )
    if "No module named pip" in done.stderr:
        pytest.skip("there is no pip in this environment")
    assert done.returncode == 0, done.stderr
    loaded = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(target)])},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert loaded.returncode == 0, loaded.stderr
    found, refused = loaded.stdout.splitlines()
    assert found.startswith("test 0.0.0 ['Found'] ")
    assert str(target) in found
    assert refused.endswith("no installed pack `day-watch`; installed are night-watch")
