"""Whole packs as a reader of them sees them: `golden/*.yml` become `golden/*.py`.

`SIGMAC_UPDATE_GOLDEN=1` writes the files anew; look at the difference before it is committed.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import sigmac
from tests.unit.packs import compile_text

GOLDEN = Path(__file__).with_name("golden")
RULES = sorted(GOLDEN.glob("*.yml"))


@pytest.fixture(scope="module")
def packs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, str]]:
    """The Python files of the pack of each rule."""
    folder = tmp_path_factory.mktemp("golden")
    made = {}
    for file in RULES:
        rendered = compile_text(file.read_text("utf-8"), folder / file.stem).rendered
        made[file.stem] = {
            name: data.decode() for name, data in rendered.items() if name.endswith(".py")
        }
    return made


def shown(files: dict[str, str]) -> str:
    """What a person reads: conditions and matchers, without the version that made them."""
    kept = [files["conditions.py"]]
    if "def " in files["matchers.py"]:
        kept.append(files["matchers.py"])
    return "\n\n".join(kept).replace(f"sigmac {sigmac.__version__}", "sigmac VERSION")


@pytest.mark.parametrize("file", RULES, ids=lambda file: file.stem)
def test_generated_source(file: Path, packs: dict[str, dict[str, str]]) -> None:
    golden = file.with_suffix(".py.txt")
    made = shown(packs[file.stem])
    if os.environ.get("SIGMAC_UPDATE_GOLDEN"):
        golden.write_text(made, "utf-8")
    assert made == golden.read_text("utf-8")


def test_packs_pass_the_formatter_and_the_linter(
    packs: dict[str, dict[str, str]], tmp_path: Path
) -> None:
    for name, files in packs.items():
        (tmp_path / name).mkdir()
        for file, text in files.items():
            (tmp_path / name / file).write_text(text, "utf-8")
    for command in (["format", "--check", "--line-length", "88"], ["check"]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *command, "--isolated", "--no-cache", str(tmp_path)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr


def test_every_function_names_its_rule_file_and_line(packs: dict[str, dict[str, str]]) -> None:
    for name, files in packs.items():
        title = re.search(r"^title: (.*)$", (GOLDEN / f"{name}.yml").read_text("utf-8"), re.M)
        assert title is not None
        assert f'"""{title[1].replace(chr(34), chr(39))}' in files["conditions.py"]
        assert "rules.yml:1\n" in files["conditions.py"]
