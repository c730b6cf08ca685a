"""The same rules give the same bytes, whatever the cache, the jobs, the order and the surroundings."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

RULES = Path(__file__).parents[2] / "rules" / "examples"
ROOT = Path(__file__).parents[2]


def build(
    output: Path, *arguments: str, rules: tuple[Path, ...] = (RULES,), **environment: str
) -> dict[str, bytes]:
    """The files of a pack built by the real program."""
    command = [sys.executable, "-m", "sigmac", "build", *map(str, rules), "-o", str(output)]
    command += ["--name", "same", "--pipeline", "windows"]
    command += ["--pipeline", str(ROOT / "rules" / "pipelines" / "demo.yml"), *arguments]
    # One and the same folder is given by its whole path, so that the current one does not matter.
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        cwd=output.parent,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
    )
    assert done.returncode == 0, done.stderr
    return {
        path.relative_to(output).as_posix(): path.read_bytes()
        for path in output.rglob("*")
        if path.is_file()
    }


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return build(tmp_path_factory.mktemp("first") / "pack", "--no-cache", PYTHONHASHSEED="1")


def test_cold_warm_and_changed_back(expected: dict[str, bytes], tmp_path: Path) -> None:
    cache = ("--cache-dir", str(tmp_path / "cache"))
    assert build(tmp_path / "cold", *cache) == expected
    assert build(tmp_path / "warm", *cache) == expected
    copy = tmp_path / "copy" / "examples"
    for path in RULES.rglob("*.yml"):
        target = copy / path.relative_to(RULES)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
    assert build(tmp_path / "pack", *cache, rules=(copy,)) == expected
    changed = next(copy.rglob("*.yml"))
    text = changed.read_text("utf-8")
    changed.write_text(text + "\n# changed\n", "utf-8")
    assert build(tmp_path / "pack", *cache, rules=(copy,)) != expected
    changed.write_text(text, "utf-8")
    assert build(tmp_path / "pack", *cache, rules=(copy,)) == expected


def test_surroundings(expected: dict[str, bytes], tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    surroundings = {"PYTHONHASHSEED": "77", "TZ": "Asia/Kathmandu", "LC_ALL": "C"}
    assert build(tmp_path / "elsewhere" / "pack", "--no-cache", **surroundings) == expected


def test_jobs(tmp_path: Path) -> None:
    many = tmp_path / "many"
    for number in range(6):  # enough files for a second process to be worth its start
        for path in RULES.rglob("*.yml"):
            target = many / str(number) / path.name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
    one = build(tmp_path / "one", "--no-cache", "--skip-errors", "--jobs", "1", rules=(many,))
    two = build(tmp_path / "two", "--no-cache", "--skip-errors", "--jobs", "2", rules=(many,))
    assert one == two


def test_the_order_of_paths(tmp_path: Path) -> None:
    files = sorted(RULES.rglob("*.yml"))
    one = build(tmp_path / "one", "--no-cache", rules=tuple(files))
    two = build(tmp_path / "two", "--no-cache", rules=tuple(reversed(files)))
    assert one == two
