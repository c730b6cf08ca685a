"""The ways to kernels: a compiled library, Numba, none. All answer alike, and what is damaged is refused."""

from __future__ import annotations

import ctypes
import fcntl
import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sigmac.runtime import load_pack
from sigmac.runtime.engine import library, self_test
from sigmac.runtime.engine.library import Kernels, KernelsError, load_library
from sigmac.runtime.engine.machine_code import ahead_of_time, jit_cache
from sigmac.runtime.engine.machine_code.choice import CHOICE, find_kernels, needs_compiling
from sigmac.runtime.engine.machine_code.processor import fitting_kinds, levels_of

# Loads a pack, evaluates standard input, tells the answers and what was needed for them.
SCRIPT = """if True:
    import json, pathlib, sys
    from sigmac.runtime import load_pack
    from sigmac.runtime.engine import library
    from sigmac.runtime.engine.machine_code import choice
    if len(sys.argv) > 2:
        library.NATIVE = pathlib.Path(sys.argv[2])
    pack = load_pack(sys.argv[1])
    result = pack.match_batch(sys.stdin.buffer.read())
    kernels = choice.find_kernels()
    print(json.dumps({
        "matches": [*zip(result.record.tolist(), result.rule.tolist())],
        "rejected": [[each.record, each.position, each.reason] for each in result.rejected],
        "origin": kernels and kernels.origin,
        "loaded": [name for name in ("numba", "llvmlite") if name in sys.modules],
    }))
"""
EVENTS = rb"""{"Image": "C:\\Windows\\WHOAMI.exe", "User": "nt authority\\system"}
{"Port": [1, 2, 2000], "a": {"b": 1}, "Gone": null}

{"Port": "80", "Image": "x"}
{"Port": 080}
{"x": {"y": ["n", "\u0053UDO to root"]}, "Path": "an EVIL1"}
{"Name": "Bob", "Other": ["al", "BOB"]}
{"Address": "10.1.2.3", "Time": "2024-01-02T23:10:00+09:00"}
"""
ANSWERS_NOTHING = """
define i64 @sigmac_build(i64 %address) { ret i64 0 }
define i64 @sigmac_evaluate(i64 %address) { ret i64 0 }
define i64 @sigmac_gather(i64 %address) { ret i64 0 }
"""
needs_numba = pytest.mark.skipif(
    importlib.util.find_spec("numba") is None, reason="Numba is not installed"
)


def start(folder: Path, *more: object, **variables: str) -> subprocess.Popen[bytes]:
    inherited = {name: value for name, value in os.environ.items() if name != CHOICE}
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(folder), *map(str, more)],
        env={**inherited, **variables},
        cwd=Path(__file__).resolve().parents[4],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def finish(process: subprocess.Popen[bytes]) -> tuple[dict[str, Any], str]:
    """What a process answered, and what it said on standard error."""
    out, err = process.communicate(EVENTS)
    assert process.returncode == 0, err.decode()
    return json.loads(out), err.decode()


@pytest.fixture(scope="module")
def folder(pack_folders: Any) -> Path:
    made: Path = pack_folders("all")
    return made


@pytest.fixture(scope="module")
def answers(folder: Path) -> dict[str, Any]:
    """What the scalar path answers."""
    result = load_pack(folder).match_each(EVENTS)
    found = {
        "matches": [*map(list, zip(result.record.tolist(), result.rule.tolist(), strict=True))],
        "rejected": [[each.record, each.position, each.reason] for each in result.rejected],
    }
    assert found["matches"]
    assert found["rejected"]
    return found


@pytest.fixture(scope="module")
def compiled() -> Path:
    """The library that this machine would load."""
    for kind in fitting_kinds():
        path = library.library_path(kind)
        if path.exists():
            return path
    pytest.skip("no library is compiled here; `make kernels` does it")


@pytest.fixture
def copied(compiled: Path, tmp_path: Path) -> Path:
    """A copy of the library that may be damaged."""
    for file in (compiled, library.note_path(compiled)):
        shutil.copy(file, tmp_path)
    return tmp_path / compiled.name


@pytest.fixture(scope="session")
def together(
    pack_folders: Any, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, list[tuple[dict[str, Any], str]]]:
    """The cache that three processes filled together, and what each said: the kernels are compiled only here.

    Once in a run of the tests: their processes share it.
    """
    run = tmp_path_factory.getbasetemp()
    folder = (run.parent if "PYTEST_XDIST_WORKER" in os.environ else run) / "compiled-together"
    folder.mkdir(exist_ok=True)
    cache, said = folder / "cache", folder / "said.json"
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not said.exists():
            said.write_text(json.dumps(fill_together(pack_folders("all"), cache)))
    return cache, [(found, text) for found, text in json.loads(said.read_text())]


def fill_together(pack: Path, cache: Path) -> list[tuple[dict[str, Any], str]]:
    variables = {CHOICE: "jit", "SIGMAC_CACHE_DIR": str(cache)}
    processes = [start(pack, **variables) for _ in range(3)]
    for process in processes:  # they must not wait for each other's input
        assert process.stdin is not None
        process.stdin.write(EVENTS)
        process.stdin.close()
        process.stdin = None
    spoken = [process.communicate() for process in processes]
    assert [process.returncode for process in processes] == [0] * 3, spoken
    return [(json.loads(out), err.decode()) for out, err in spoken]


def copy_of(cache: Path, folder: Path) -> Path:
    """A cache as it is after the first start, in another folder."""
    shutil.copytree(cache, folder)
    return folder


def only_file(cache: Path) -> Path:
    (file,) = (cache / "kernels").glob("*.kernels")
    return file


# The three ways


def test_a_library_answers_without_numba_and_llvm(
    folder: Path, answers: dict[str, Any], compiled: Path
) -> None:
    found, said = finish(start(folder))
    assert said == ""
    assert found == {**answers, "origin": str(compiled), "loaded": []}


@pytest.mark.slow
@needs_numba
def test_processes_that_start_together_compile_once(
    answers: dict[str, Any], together: tuple[Path, list[tuple[dict[str, Any], str]]]
) -> None:
    cache, outcomes = together
    assert [found["matches"] for found, _ in outcomes] == [answers["matches"]] * 3
    assert [found["rejected"] for found, _ in outcomes] == [answers["rejected"]] * 3
    assert [found["origin"] for found, _ in outcomes] == ["jit"] * 3
    said = [line for _, text in outcomes for line in text.splitlines()]
    assert sum("compiles its kernels" in line for line in said) == 1
    assert sum("waiting" in line for line in said) == len(said) - 1
    assert only_file(cache).stat().st_mode & 0o777 == 0o600


@pytest.mark.slow
@needs_numba
def test_what_was_compiled_is_loaded_without_numba(
    folder: Path,
    answers: dict[str, Any],
    together: tuple[Path, list[tuple[dict[str, Any], str]]],
    tmp_path: Path,
) -> None:
    cache = copy_of(together[0], tmp_path / "cache")
    (cache / "kernels" / "lock").unlink()
    (cache / "kernels").chmod(0o500)  # a file system that is read only
    variables = {CHOICE: "jit", "SIGMAC_CACHE_DIR": str(cache)}
    assert finish(start(folder, **variables)) == (
        {**answers, "origin": "jit", "loaded": ["llvmlite"]},
        "",
    )


@pytest.mark.parametrize("choice", ["off", "python"])
def test_without_kernels_the_scalar_path_answers(
    folder: Path, answers: dict[str, Any], choice: str
) -> None:
    found, said = finish(start(folder, **{CHOICE: choice}))
    assert (found, said) == ({**answers, "origin": None, "loaded": []}, "")


def test_a_missing_library_is_told_once_and_the_scalar_path_answers(
    folder: Path, answers: dict[str, Any], tmp_path: Path
) -> None:
    found, said = finish(start(folder, **{CHOICE: str(tmp_path / "no.so")}))
    assert found == {**answers, "origin": None, "loaded": []}
    assert said.splitlines() == [
        "sigmac evaluates records one at a time, which is many times slower: "
        f"{tmp_path / 'no.so'}: No such file or directory"
    ]


@pytest.mark.slow
@needs_numba
def test_a_library_of_other_sources_gives_way_to_numba(
    folder: Path,
    answers: dict[str, Any],
    copied: Path,
    together: tuple[Path, list[tuple[dict[str, Any], str]]],
) -> None:
    change_note(copied, sources="0" * 64)
    found, said = finish(start(folder, copied.parent, SIGMAC_CACHE_DIR=str(together[0])))
    assert found == {**answers, "origin": "jit", "loaded": ["llvmlite"]}
    assert said == (
        f"sigmac refuses compiled kernels: {copied}: made from other sources than these\n"
    )


def test_the_search_is_made_once() -> None:
    assert find_kernels() is find_kernels()


# Libraries


def change_note(path: Path, **changes: str) -> None:
    note = library.note_path(path)
    note.write_text(json.dumps({**json.loads(note.read_text()), **changes}))


def test_a_damaged_library_is_refused(copied: Path) -> None:
    copied.write_bytes(copied.read_bytes()[:-4000])
    with pytest.raises(KernelsError, match="damaged"):
        load_library(copied)


@pytest.mark.parametrize("note", ["", "[]", "{}", '{"sources": 1}'])
def test_a_library_with_a_damaged_note_is_refused(copied: Path, note: str) -> None:
    library.note_path(copied).write_text(note)
    with pytest.raises(KernelsError, match=r"damaged|made from other sources"):
        load_library(copied)


def test_a_library_without_a_note_is_refused(copied: Path) -> None:
    library.note_path(copied).unlink()
    with pytest.raises(KernelsError, match=r"\.json: No such file"):
        load_library(copied)


def test_what_is_no_library_is_refused(copied: Path) -> None:
    copied.write_bytes(b"text")
    change_note(copied, sha256=hashlib.sha256(b"text").hexdigest())
    with pytest.raises(KernelsError, match=r"too short|invalid"):
        load_library(copied)


def test_a_library_that_answers_wrongly_is_refused(
    folder: Path, answers: dict[str, Any], tmp_path: Path
) -> None:
    pytest.importorskip("llvmlite")
    command = ahead_of_time.linker()
    if command is None:
        pytest.skip("there is no linker here")
    code = ahead_of_time.object_code(ANSWERS_NOTHING, "generic")
    wrong = tmp_path / "wrong.so"
    ahead_of_time.shared_library(code, wrong, command)
    first = wrong.read_bytes()
    ahead_of_time.shared_library(code, wrong, command)
    assert wrong.read_bytes() == first  # the same code gives the same library
    found, said = finish(start(folder, **{CHOICE: str(wrong)}))
    assert found == {**answers, "origin": None, "loaded": []}
    assert f"{wrong}: wrong answers in the self-test" in said


def test_the_self_test_asks_what_a_kernel_rejects(monkeypatch: pytest.MonkeyPatch) -> None:
    kernels = find_kernels()
    assert isinstance(kernels, Kernels)
    self_test.check_answers(kernels)
    records = [*self_test._RECORDS, ("[]", [])]
    monkeypatch.setattr(self_test, "_RECORDS", records)
    with pytest.raises(KernelsError, match="wrong records rejected"):
        self_test.check_answers(kernels)


@pytest.mark.skipif(sys.platform != "linux", reason="reads what `ld` made on Linux")
def test_a_library_needs_nothing_else_and_shows_only_its_entry_points(compiled: Path) -> None:
    loaded = ctypes.CDLL(str(compiled))
    assert loaded.sigmac_build
    assert loaded.sigmac_evaluate
    data = compiled.read_bytes()
    assert b"libc.so" not in data
    assert b"PyErr_" not in data


@needs_numba
def test_libraries_that_are_up_to_date_are_not_compiled_again(compiled: Path) -> None:
    if ahead_of_time.linker() is None:
        pytest.skip("there is no linker here")
    before = compiled.stat().st_mtime_ns
    done = subprocess.run(
        [sys.executable, "-m", ahead_of_time.__name__],
        cwd=Path(__file__).resolve().parents[4],
        capture_output=True,
        check=True,
    )
    assert (done.stdout, done.stderr) == (b"", b"")
    assert compiled.stat().st_mtime_ns == before


# The cache of what Numba compiled


@pytest.fixture
def compiles(
    together: tuple[Path, list[tuple[dict[str, Any], str]]], monkeypatch: pytest.MonkeyPatch
) -> list[str]:
    """Compiling takes no time from here on; the list has an entry each time it was done."""
    pytest.importorskip("numba")
    code = only_file(together[0]).read_bytes()[64:]
    done: list[str] = []

    def compile_kernels(cpu: str, features: str) -> bytes:
        done.append(cpu)
        return code

    monkeypatch.setattr(jit_cache, "_compile", compile_kernels)
    return done


def load_twice(cache: Path | str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIGMAC_CACHE_DIR", str(cache))
    for _ in range(2):
        self_test.check_answers(jit_cache.load_compiled())


@pytest.mark.slow
def test_a_cache_is_filled_once(
    compiles: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load_twice(tmp_path / "new", monkeypatch)
    assert len(compiles) == 1
    assert (tmp_path / "new" / "kernels").stat().st_mode & 0o777 == 0o700


@pytest.mark.slow
def test_a_cache_that_cannot_be_made_costs_only_time(
    compiles: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    load_twice(tmp_path / "file", monkeypatch)
    assert len(compiles) == 2


@pytest.mark.slow
@pytest.mark.parametrize("mode", [0o777, 0o750, 0o702])
def test_a_cache_that_others_may_enter_is_not_used(
    compiles: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    mode: int,
) -> None:
    (tmp_path / "kernels").mkdir()
    (tmp_path / "kernels").chmod(mode)
    load_twice(tmp_path, monkeypatch)
    assert len(compiles) == 2
    assert list((tmp_path / "kernels").iterdir()) == []
    assert "must be a folder of this user alone" in caplog.text


@pytest.mark.slow
def test_a_cache_behind_a_link_is_not_used(
    compiles: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "real").mkdir(mode=0o700)
    (tmp_path / "kernels").symlink_to("real")
    load_twice(tmp_path, monkeypatch)
    assert len(compiles) == 2


@pytest.mark.slow
@pytest.mark.parametrize("damage", [b"", b"\0" * 1000, b"f" * 64])
def test_a_damaged_file_is_compiled_anew(
    compiles: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: bytes
) -> None:
    load_twice(tmp_path, monkeypatch)
    file = only_file(tmp_path)
    file.write_bytes(damage + file.read_bytes()[len(damage) + 1 :])
    load_twice(tmp_path, monkeypatch)
    assert len(compiles) == 2


@pytest.mark.slow
def test_old_files_are_dropped(
    compiles: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "kernels").mkdir(mode=0o700)
    for age in range(jit_cache.MAX_FILES + 3):
        path = tmp_path / "kernels" / f"{age}.kernels"
        path.touch()
        os.utime(path, (age, age))
    load_twice(tmp_path, monkeypatch)
    assert len(compiles) == 1
    names = {path.name for path in (tmp_path / "kernels").glob("*.kernels")}
    assert len(names) == jit_cache.MAX_FILES
    assert "3.kernels" not in names
    assert f"{jit_cache.MAX_FILES + 2}.kernels" in names


def test_without_numba_the_reason_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(KernelsError, match=r"pip install 'sigmac\[jit\]'"):
        jit_cache.load_compiled()


# Processors

V2 = "fpu pni ssse3 cx16 sse4_1 sse4_2 popcnt lahf_lm"
V3 = f"{V2} fma movbe xsave avx f16c abm bmi1 avx2 bmi2"
V4 = f"{V3} avx512f avx512dq avx512cd avx512bw avx512vl"
MACOS = (
    "FPU SSE3 SSSE3 FMA CX16 SSE4.1 SSE4.2 MOVBE POPCNT XSAVE OSXSAVE AVX1.0 F16C "
    "BMI1 AVX2 BMI2 LAHF LZCNT"
)


@pytest.mark.parametrize(
    ("features", "levels"),
    [
        (V2, ["v2"]),
        (V3, ["v3", "v2"]),
        (V4, ["v4", "v3", "v2"]),
        (MACOS, ["v3", "v2"]),
        (V4.replace("avx2", ""), ["v2"]),
        ("fpu pni", []),
        ("", ["v2"]),  # nothing is known
    ],
)
def test_the_levels_of_a_processor(features: str, levels: list[str]) -> None:
    assert levels_of(features) == tuple(f"x86-64-{level}" for level in levels)


# Before anything whose time is measured


@needs_numba
def test_kernels_are_kept_for_the_next_process_or_not_compiled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled: list[str] = []
    monkeypatch.setattr(jit_cache, "_compile", lambda cpu, _: compiled.append(cpu) or b"code")
    monkeypatch.setenv("SIGMAC_CACHE_DIR", str(tmp_path / "cache"))
    assert jit_cache.keep_compiled()
    assert jit_cache.keep_compiled()
    assert len(compiled) == 1
    assert only_file(tmp_path / "cache").read_bytes().endswith(b"code")
    (tmp_path / "file").touch()
    monkeypatch.setenv("SIGMAC_CACHE_DIR", str(tmp_path / "file"))
    assert not jit_cache.keep_compiled()
    assert len(compiled) == 1


def test_only_where_no_library_runs_something_is_compiled(
    compiled: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    wanted = {"": False, "jit": True, "off": False, "python": False, str(compiled): False}
    assert {choice: needs_compiling(choice) for choice in wanted} == wanted
    monkeypatch.setattr(library, "NATIVE", tmp_path)
    assert needs_compiling("")
