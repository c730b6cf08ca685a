"""`sigmac check --fix` and `--diff` as their users run them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.cli.conftest import ROOT, Run

FAULTY = """\
# A comment
title: Somebody Asks Who They Are  # another
date: 2024/01/02
tags:
    - attack.T1033
logsource: {product: windows, category: process_creation}
detection:
    selection:
        Image|endswith: '*\\whoami.exe'
    condition: NOT selection
"""
MENDED = (
    FAULTY.replace("2024/01/02", "2024-01-02")
    .replace("T1033", "t1033")
    .replace("*", "")
    .replace("NOT", "not")
)
# What stays: the rule matches nearly everything
LEFT = "W_EMPTY_EVENT"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "rules" / "rule.yml"
    path.parent.mkdir()
    path.write_text(FAULTY)
    path.chmod(0o640)
    return path


def test_a_file_is_mended_and_what_is_left_is_reported(sigmac: Run, file: Path) -> None:
    done = sigmac("check", file.parent, "--fix", "--strict")
    assert file.read_text() == MENDED
    assert file.stat().st_mode & 0o777 == 0o640
    assert done.returncode == 1
    assert LEFT in done.stdout
    assert "W_TAG" not in done.stdout
    told = done.stderr.splitlines()
    assert told[0] == f"{file}:3:7: N_SCHEMA mended: write `2024-01-02`"
    assert told[-1].startswith("mended 4 in 1 file: ")
    again = sigmac("check", file.parent, "--fix")
    assert (again.returncode, again.stderr) == (0, "")
    assert list(file.parent.iterdir()) == [file]


def test_a_difference_changes_nothing_and_can_be_applied(file: Path) -> None:
    before = FAULTY.replace("\n", "\r\n").removesuffix("\r\n").encode("utf-8-sig")
    file.write_bytes(before)
    done = subprocess.run(
        [sys.executable, "-m", "sigmac", "check", file.name, "--diff"],
        cwd=file.parent,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        check=False,
    )
    assert (done.returncode, file.read_bytes()) == (1, before)
    subprocess.run(["git", "apply", "-p0"], cwd=file.parent, input=done.stdout, check=True)
    after = MENDED.replace("\n", "\r\n").removesuffix("\r\n").encode("utf-8-sig")
    assert file.read_bytes() == after


def test_without_anything_to_mend_a_difference_is_empty(sigmac: Run, file: Path) -> None:
    file.write_text(MENDED)
    done = sigmac("check", file, "--diff")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_what_is_not_told_is_not_mended(sigmac: Run, file: Path) -> None:
    sigmac("check", file, "--fix", "--no-notes", "--ignore", "W_TAG,W_KEYWORD_CASE")
    assert file.read_text() == FAULTY.replace("*", "")


def test_links_stay_and_files_that_were_not_given_too(
    sigmac: Run, file: Path, tmp_path: Path
) -> None:
    outside = tmp_path / "outside.yml"
    outside.write_text(FAULTY.replace("Asks", "Asks Again"))
    inner = file.parent / "inner.yml"
    inner.symlink_to(outside)
    done = sigmac("check", file.parent, "--fix")
    assert f"{inner} is a link to a file that was not given, and left as it is" in done.stderr
    assert "T1033" in outside.read_text()
    sigmac("check", inner, "--fix")
    assert inner.is_symlink()
    assert "T1033" not in outside.read_text()


@pytest.mark.parametrize("text", [b"title: \xff", b"title: [", b"", b"\xef\xbb\xbf"])
def test_what_cannot_be_read_stays(sigmac: Run, file: Path, text: bytes) -> None:
    file.write_bytes(text)
    sigmac("check", file, "--fix")
    assert file.read_bytes() == text


def test_a_pipe_is_checked_only(sigmac: Run, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = subprocess.Popen(["sh", "-c", f"printf '%s' \"$1\" > '{pipe}'", "sh", FAULTY])
    done = sigmac("check", pipe, "--fix")
    writer.wait()
    assert "W_TAG" in done.stdout


def test_a_report_for_programs_is_of_the_mended_files(sigmac: Run, file: Path) -> None:
    done = sigmac("check", file, "--fix", "--format", "json")
    assert {each["code"] for each in json.loads(done.stdout)["diagnostics"]} == {LEFT}
    assert sigmac("check", file, "--diff", "--format", "json").returncode == 2


def test_a_file_that_cannot_be_written_is_told(sigmac: Run, file: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("everything can be written by root")
    file.parent.chmod(0o500)
    done = sigmac("check", file, "--fix")
    file.parent.chmod(0o700)
    assert done.returncode == 1
    assert file.read_text() == FAULTY
