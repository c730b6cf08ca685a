"""`python -m bench.editor`: what an editor waits for, with all of SigmaHQ as its workspace.

The real server is asked over its standard input and output. Completion, hovers and the rest are asked at random
places of random rules, right after a change of the text, once while the workspace is read and once when it is.
Milliseconds, as the editor sees them.
"""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from bench.corpus import unpack_rules
from bench.used import most_memory
from tests.unit.lsp.editor import Editor

ROUNDS = 300
SEED = 11
_AT = ("completion", "hover", "definition", "references", "prepareRename")
_WHOLE = ("documentSymbol", "codeLens")


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        rules = unpack_rules(Path(folder))
        files = sorted(rules.rglob("*.yml"))
        print(f"{len(files):,} files")
        started = time.perf_counter()
        with Editor(rules, "--pipeline", "windows") as editor:
            _tell("while the workspace is read", _asked(editor, files, 60))
            editor.wait_until_indexed()
            print(f"the workspace is read after {time.perf_counter() - started:.1f} s")
            _tell("when it is read", _asked(editor, files, ROUNDS))
            _tell("from a change to its diagnostics", _checked(editor, files, 60))
            _memory(editor.process.pid)


def _asked(editor: Editor, files: Sequence[Path], rounds: int) -> Iterator[tuple[str, float]]:
    chosen = random.Random(SEED)
    able = editor.started["capabilities"]
    for file in chosen.sample(files, rounds):
        text = file.read_text(encoding="utf-8")
        uri = editor.open(str(file.relative_to(editor.folder)), text)
        lines = text.split("\n")
        for method in _AT + _WHOLE:
            if not able.get(f"{_provider(method)}Provider"):
                continue
            line = chosen.randrange(len(lines))
            at = {"line": line, "character": chosen.randrange(len(lines[line]) + 1)}
            editor.change(uri, text)
            given: dict[str, Any] = {"textDocument": {"uri": uri}}
            if method in _AT:
                given["position"] = at
            if method == "references":
                given["context"] = {"includeDeclaration": True}
            began = time.perf_counter()
            editor.ask(f"textDocument/{method}", given)
            yield method, time.perf_counter() - began
        editor.close(uri)


def _provider(method: str) -> str:
    return "rename" if method == "prepareRename" else method


def _checked(editor: Editor, files: Sequence[Path], rounds: int) -> Iterator[tuple[str, float]]:
    chosen = random.Random(SEED)
    for file in chosen.sample(files, rounds):
        text = file.read_text(encoding="utf-8")
        uri = editor.open(str(file.relative_to(editor.folder)), text)
        editor.diagnostics(uri)
        began = time.perf_counter()
        editor.change(uri, f"{text}\n")
        editor.diagnostics(uri)
        yield "diagnostics, with the pause of 150 ms", time.perf_counter() - began
        editor.close(uri)


def _tell(when: str, times: Iterator[tuple[str, float]]) -> None:
    found: dict[str, list[float]] = {}
    for method, seconds in times:
        found.setdefault(method, []).append(1000 * seconds)
    print(when)
    for method, spent in found.items():
        spent.sort()
        p50, p99 = spent[len(spent) // 2], spent[len(spent) * 99 // 100]
        print(f"  {method}: p50 {p50:.1f}, p99 {p99:.1f}, most {spent[-1]:.1f} ms of {len(spent)}")


def _memory(server: int) -> None:
    """What the server and the process that checks hold at their most."""
    children = Path(f"/proc/{server}/task/{server}/children").read_text(encoding="utf-8").split()
    for name, process in (("server", server), *(("its process", int(each)) for each in children)):
        print(f"{name}: {most_memory(process):.0f} MB")


if __name__ == "__main__":
    main()
