"""Packs that must not run: what is done to a good one, and what is said of it then."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

from sigmac.runtime.pack.seal import MANIFEST, SIGNATURE
from tests.unit.runtime.service.conftest import reseal

Break = Callable[[Path], object]
RAISE = "\nraise RuntimeError('boom')\n"


def edit(pack: Path, name: str, old: str, new: str) -> str:
    text = (pack / name).read_text()
    assert old in text
    return text.replace(old, new)


def condition(pack: Path, code: str) -> Path:
    """Every rule does this when it is asked, on the line where it began to ask."""
    changed = edit(pack, "conditions.py", "    s = ", f"    {code}; s = ")
    return reseal(pack, conditions_py=changed)


def first_line(pack: Path, code: str) -> Path:
    """The conditions do this when they are imported."""
    old = "from __future__ import annotations"
    return reseal(pack, conditions_py=edit(pack, "conditions.py", old, f"{old}; {code}"))


def replaced_by_pipe(pack: Path) -> None:
    (pack / "rules.py").unlink()
    os.mkfifo(pack / "rules.py")


def replaced_by_link(pack: Path) -> None:
    shutil.move(pack / "rules.py", pack.with_name("rules.py"))
    (pack / "rules.py").symlink_to(pack.with_name("rules.py"))


def grown(pack: Path) -> None:
    with (pack / "rules.py").open("r+b") as file:
        file.truncate((1 << 30) + 1)


def outside(pack: Path) -> None:
    manifest = json.loads((pack / MANIFEST).read_bytes())
    reseal(pack, {"files": manifest["files"] | {"../rules.py": "0" * 64}})


BAD: dict[str, tuple[Break, str]] = {
    "a changed file": (
        lambda pack: (pack / "rules.py").write_text("x"),
        "rules.py was changed after the build",
    ),
    "one more byte": (
        lambda pack: (pack / "conditions.py").write_text(
            (pack / "conditions.py").read_text() + "\n"
        ),
        "conditions.py was changed after the build",
    ),
    "a changed manifest": (
        lambda pack: (pack / MANIFEST).write_text(edit(pack, MANIFEST, '"0.1.0"', '"0.1.1"')),
        "the manifest was changed after the build",
    ),
    "a damaged manifest": (
        lambda pack: (pack / MANIFEST).write_bytes(b"\xff{"),
        "the manifest is damaged",
    ),
    "a deep manifest": (
        lambda pack: (pack / MANIFEST).write_bytes(b"[" * 100_000),
        "the manifest is damaged",
    ),
    "no manifest": (lambda pack: (pack / MANIFEST).unlink(), "it has no manifest.json"),
    "no pack": (shutil.rmtree, "does not exist"),
    "a missing file": (lambda pack: (pack / "tables.npz").unlink(), "tables.npz is missing"),
    "one more file": (
        lambda pack: (pack / "more.py").write_text("x = 1"),
        "more.py is not part of the pack",
    ),
    "a link out of the pack": (replaced_by_link, "rules.py is a link that leads out of the pack"),
    "a pipe": (replaced_by_pipe, "rules.py is no regular file"),
    "a file outside": (outside, "a file outside the pack"),
    "a huge file": (grown, "the pack is larger than 1,024 MiB"),
    "a damaged signature": (
        lambda pack: (pack / SIGNATURE).write_text("{}"),
        "manifest.sig is damaged",
    ),
    "a newer format": (
        lambda pack: reseal(pack, {"format": 99}),
        "the pack has format 99, this sigmac reads up to 1; upgrade sigmac",
    ),
    "tables of another kind": (
        lambda pack: reseal(pack, tables_npz=b"no tables"),
        "tables.npz is damaged: File is not a zip file; build the pack again",
    ),
    "fewer rules than functions": (lambda pack: reseal(pack, {"rules": []}), "the pack"),
    "a failing import": (
        lambda pack: first_line(pack, "raise RuntimeError('boom')"),
        "the pack fails: RuntimeError('boom')",
    ),
    "a syntax error": (lambda pack: first_line(pack, "def"), "fail: SyntaxError: "),
    "a failing matcher": (
        lambda pack: reseal(pack, matchers_py=(pack / "matchers.py").read_text() + RAISE),
        "the pack fails: RuntimeError('boom')",
    ),
    "a failing rule": (lambda pack: condition(pack, "1 / 0"), "the pack fails: ZeroDivisionError"),
    "a missing package": (
        lambda pack: first_line(pack, "import no_such_package"),
        "fail: ModuleNotFoundError: ",
    ),
    "an exit": (
        lambda pack: first_line(pack, "raise SystemExit(0)"),
        "the pack ended the process that tried it",
    ),
    "a hard exit": (
        lambda pack: first_line(pack, "import os; os._exit(0)"),
        "the pack ended the process that tried it",
    ),
    "last words": (
        lambda pack: first_line(
            pack, "import os; os.write(2, b'one\\n\\x1b two  words\\n'); os._exit(0)"
        ),
        "the pack ended the process that tried it; it said last: \\x1b two words",
    ),
    "a lot of complaints": (
        lambda pack: condition(pack, "all(iter(lambda: __import__('os').write(2, b'x' * 999), 0))"),
        "the pack is too slow",
    ),
    "a child that stays": (
        lambda pack: first_line(
            pack, "import os, time; os.fork() or time.sleep(1000); os._exit(0)"
        ),
        "the pack ended the process that tried it",
    ),
    "a crash": (
        lambda pack: condition(pack, "import os; os.kill(os.getpid(), 11)"),
        "the pack ended the process that tried it with SIGSEGV",
    ),
    "all memory": (lambda pack: condition(pack, "bytearray(1 << 40)"), "MemoryError"),
    "a slow import": (
        lambda pack: first_line(pack, "import time; time.sleep(1000)"),
        "the pack is too slow",
    ),
    "a rule without end": (
        lambda pack: condition(pack, "any(iter(int, 1))"),
        "the pack is too slow",
    ),
    "a lot of talk": (
        lambda pack: condition(pack, "any(map(print, iter(int, 1)))"),
        "the pack is too slow",
    ),
}
