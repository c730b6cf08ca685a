"""A pack is put in place as a whole or not at all."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from sigmac.compiler.packaging.writer import write_pack
from sigmac.runtime import PackError, load_pack
from tests.unit.packs import compile_text, rule, titles

EVENT = {"A": "evil"}


def rendered(title: str, folder: Path) -> dict[str, bytes]:
    return compile_text(rule("s: {A: evil}\ncondition: s", title), folder).rendered


def test_a_new_pack_takes_the_place_of_the_old_one(tmp_path: Path) -> None:
    for title in ("Old", "New"):
        write_pack(rendered(title, tmp_path / title), tmp_path / "pack")
        assert titles(load_pack(tmp_path / "pack"), EVENT) == [title]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["New", "Old", "pack"]


def test_what_is_no_pack_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "letter.txt").write_text("dear", "utf-8")
    with pytest.raises(PackError, match="is no rule pack"):
        write_pack(rendered("New", tmp_path / "rules"), tmp_path / "home")
    assert (tmp_path / "home" / "letter.txt").read_text("utf-8") == "dear"
    (tmp_path / "empty").mkdir()
    write_pack(rendered("New", tmp_path / "rules"), tmp_path / "empty")


BUILD = textwrap.dedent(
    """
    import os, signal, sys
    from pathlib import Path
    from sigmac.compiler.packaging.writer import write_pack
    from sigmac.runtime.pack.seal import read_files, read_manifest

    source, target, stop = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    manifest, data = read_manifest(source)
    files = {**read_files(source, manifest), "manifest.json": data}
    calls = 0

    def count(event, arguments):
        global calls
        if event in {"open", "os.rename", "os.mkdir", "os.rmdir", "os.remove"}:
            calls += 1
            if calls == stop:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(count)
    write_pack(files, target)
    """
)


def test_a_build_killed_at_any_step_leaves_a_whole_pack(tmp_path: Path) -> None:
    write_pack(rendered("Old", tmp_path / "a"), tmp_path / "pack")
    write_pack(rendered("New", tmp_path / "b"), tmp_path / "new")
    seen = set()
    for stop in range(1, 60):
        command = [
            sys.executable,
            "-c",
            BUILD,
            str(tmp_path / "new"),
            str(tmp_path / "pack"),
            str(stop),
        ]
        done = subprocess.run(command, capture_output=True, check=False)
        assert done.returncode in (0, -signal.SIGKILL), done.stderr.decode()
        (title,) = titles(load_pack(tmp_path / "pack"), EVENT)
        seen.add(title)
        if done.returncode == 0:
            break
        if title == "New":
            write_pack(rendered("Old", tmp_path / "a"), tmp_path / "pack")
    assert seen == {"Old", "New"}


def test_a_full_disk_leaves_the_old_pack(tmp_path: Path) -> None:
    write_pack(rendered("Old", tmp_path / "a"), tmp_path / "pack")
    rules = tmp_path / "rules.yml"
    rules.write_text(rule("s: {A: evil}\ncondition: s", "New"), "utf-8")

    def small_files() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (900, 900))

    command = [
        sys.executable,
        "-m",
        "sigmac",
        "build",
        str(rules),
        "-o",
        str(tmp_path / "pack"),
        "--no-cache",
    ]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=small_files,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )
    assert done.returncode == 1
    assert f"sigmac: {tmp_path / 'pack'}: File too large" in done.stderr
    assert "Traceback" not in done.stderr
    assert titles(load_pack(tmp_path / "pack"), EVENT) == ["Old"]
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]
