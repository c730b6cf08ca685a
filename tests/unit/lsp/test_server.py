"""The server as a process: how it begins, works beside, and ends."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.lsp.editor import WAIT, Editor

RULE = "title: A\nlogsource: {product: linux}\ndetection: {s: {A: b}, t: {B: c}, condition: s}\n"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "rules").mkdir()
    return tmp_path / "rules"


def test_without_the_extra_the_command_says_what_to_install() -> None:
    program = "import sys; sys.modules['pygls'] = None; sys.argv[1:] = ['lsp']; import sigmac.cli; sigmac.cli.main()"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=WAIT
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count("\n") == 1
    assert "pip install 'sigmac[lsp]'" in done.stderr


def test_nobody_speaks_to_it_by_hand() -> None:
    ours, theirs = pty.openpty()
    done = subprocess.run(
        [sys.executable, "-m", "sigmac", "lsp"],
        stdin=theirs,
        capture_output=True,
        text=True,
        check=False,
        timeout=WAIT,
    )
    os.close(ours)
    os.close(theirs)
    assert (done.returncode, done.stdout) == (2, "")
    assert "an editor starts this" in done.stderr


def test_an_editor_that_is_gone_ends_the_server(folder: Path) -> None:
    editor = Editor(folder)
    editor.wait_until_indexed()
    assert editor.process.stdin is not None
    editor.process.stdin.close()
    assert editor.process.wait(WAIT) == 1
    editor.__exit__(ValueError, None, None)


@pytest.mark.parametrize(
    ("asked", "chosen"),
    [((), "utf-16"), (("utf-8", "utf-16"), "utf-8"), (("utf-32",), "utf-32"), (("x",), "utf-16")],
    ids=["none", "utf-8", "utf-32", "unknown"],
)
def test_the_encoding_of_positions_is_agreed_upon(
    folder: Path, asked: tuple[str, ...], chosen: str
) -> None:
    with Editor(folder, encodings=asked) as editor:
        assert editor.started["capabilities"]["positionEncoding"] == chosen
        uri = editor.open("a.yml", RULE.replace("{A: b}", "{A: 🦊}"))
        units = {"utf-8": 4, "utf-16": 2, "utf-32": 1}[chosen]
        (found,) = editor.diagnostics(uri)
        assert found["range"]["start"] == {"line": 2, "character": 22 + units}


def test_a_text_that_changes_is_checked_as_it_is_now(folder: Path) -> None:
    with Editor(folder) as editor:
        uri = editor.open("a.yml", RULE)
        assert [each["code"] for each in editor.diagnostics(uri)] == ["W_UNUSED"]
        editor.change(uri, RULE.replace("condition: s", "condition: s or t"))
        assert editor.diagnostics(uri) == []


def test_what_another_open_text_says_counts_before_it_is_saved(folder: Path) -> None:
    with Editor(folder) as editor:
        editor.wait_until_indexed()
        first = editor.open("a.yml", "")
        second = editor.open(
            "b.yml", RULE.replace("title: A", "title: B").replace(", t: {B: c}", "")
        )
        assert editor.diagnostics(second) == []
        editor.change(first, RULE.replace("title: A", "title: B"))
        assert "W_TITLE_TWICE" in [each["code"] for each in editor.diagnostics(first)]
        assert "W_TITLE_TWICE" in [each["code"] for each in editor.diagnostics(second)]


def test_a_file_that_changes_on_the_disk_is_read_again(folder: Path) -> None:
    with Editor(folder) as editor:
        editor.wait_until_indexed()
        uri = editor.open("a.yml", RULE.replace(", t: {B: c}", ""))
        assert editor.diagnostics(uri) == []
        (folder / "b.yml").write_text(RULE)
        changes = [{"uri": (folder / "b.yml").as_uri(), "type": 1}]
        editor.notify("workspace/didChangeWatchedFiles", {"changes": changes})
        assert [each["code"] for each in editor.diagnostics(uri)] == ["W_TITLE_TWICE"]
        (folder / "b.yml").unlink()
        editor.notify("workspace/didChangeWatchedFiles", {"changes": changes})
        assert editor.diagnostics(uri) == []


def test_the_project_file_of_the_workspace_counts(folder: Path) -> None:
    project = folder / "sigmac.toml"
    project.write_text('[levels]\nW_UNUSED = "error"\n')
    with Editor(folder) as editor:
        uri = editor.open("a.yml", RULE)
        assert [each["severity"] for each in editor.diagnostics(uri)] == [1]
        project.write_text('[levels]\nW_UNUSED = "off"\n')
        changes = [{"uri": project.as_uri(), "type": 2}]
        editor.notify("workspace/didChangeWatchedFiles", {"changes": changes})
        assert editor.diagnostics(uri) == []
        project.write_text("levels = 3\n")
        editor.notify("workspace/didChangeWatchedFiles", {"changes": changes})
        told = editor.wait_for(lambda note: note["method"] == "window/showMessage")
        assert "levels" in told["params"]["message"]


def test_a_workspace_with_hostile_files_is_read(folder: Path) -> None:
    (folder / "deep.yml").write_text("detection: " + "[" * 10_000)
    (folder / "large.yml").write_text(RULE + "#" * (2 << 20))
    (folder / "bytes.yml").write_bytes(b"detection:\n\xff\xfe")
    (folder / "good.yml").write_text(RULE)
    with Editor(folder) as editor:
        editor.wait_until_indexed()
        uri = editor.open("a.yml", RULE.replace(", t: {B: c}", ""))
        assert [each["code"] for each in editor.diagnostics(uri)] == ["W_TITLE_TWICE"]
        large = editor.open("large.yml", RULE + "#" * (2 << 20))
        assert [each["code"] for each in editor.diagnostics(large)] == ["E_YAML"]
        at = {"textDocument": {"uri": large}, "position": {"line": 0, "character": 3}}
        assert editor.ask("textDocument/completion", at)["items"] == []


TESTED = (
    RULE.replace(", t: {B: c}", "")
    + """cases:
    match:
        - {why: it is b, event: {A: b}}
    no_match:
        - {why: it is b all the same, event: {A: b, C: d}}
        - {why: it is c, event: {A: c}}
"""
)


def test_the_tests_of_a_rule_are_run(folder: Path) -> None:
    (folder / "a.yml").write_text(f"\ufeff{TESTED}", encoding="utf-8")
    with Editor(folder) as editor:
        uri = editor.open("a.yml", TESTED)
        editor.diagnostics(uri)
        (lens,) = editor.ask("textDocument/codeLens", {"textDocument": {"uri": uri}})
        editor.ask("workspace/executeCommand", lens["command"])
        told = editor.wait_for(lambda note: note["method"] == "window/showMessage")
        assert told["params"] == {"type": 1, "message": "sigmac: A: 2 of 3 tests passed"}
        found = [each for each in editor.diagnostics(uri) if each["code"] == "test"]
        assert [each["range"] for each in found] == [lens["range"]]
        assert "it is b all the same: expected no match, got a match" in found[0]["message"]
        (place,) = found[0]["relatedInformation"]
        assert (place["location"]["uri"], place["location"]["range"]["start"]["line"]) == (uri, 7)
        # What failed is forgotten when the text changes, and what is not saved is not tested.
        editor.change(uri, TESTED + "level: low\n")
        assert [each for each in editor.diagnostics(uri) if each["code"] == "test"] == []
        editor.ask("workspace/executeCommand", lens["command"])
        told = editor.wait_for(lambda note: note["method"] == "window/showMessage")
        assert told["params"]["message"] == "sigmac: save the file first"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (RULE, "no rule that is asked for has a case"),
        (RULE.replace("condition: s", "condition: x"), "A: the condition names `x`"),
    ],
    ids=["none", "an error"],
)
def test_what_cannot_be_tested_is_told(folder: Path, text: str, said: str) -> None:
    (folder / "a.yml").write_text(text)
    with Editor(folder) as editor:
        uri = editor.open("a.yml", text)
        action = {"command": "sigmac.runTests", "arguments": [uri, 0]}
        editor.ask("workspace/executeCommand", action)
        told = editor.wait_for(lambda note: note["method"] == "window/showMessage")
        assert told["params"]["message"].startswith(f"sigmac: {said}")


def test_a_text_that_was_never_saved_is_checked(folder: Path) -> None:
    with Editor(folder) as editor:
        editor.versions["untitled:Untitled-1"] = 1
        document = {"uri": "untitled:Untitled-1", "languageId": "yaml", "version": 1, "text": RULE}
        editor.notify("textDocument/didOpen", {"textDocument": document})
        found = editor.diagnostics("untitled:Untitled-1")
        assert [each["code"] for each in found] == ["W_UNUSED"]


def test_names_of_files_may_hold_anything(folder: Path) -> None:
    name = "a %20\N{SNOWMAN}#?.yml"
    (folder / name).write_text(RULE.replace("title: A", "title: A\nname: snow"))
    with Editor(folder) as editor:
        editor.wait_until_indexed()
        uri = editor.open("b.yml", "title: B\ncorrelation: {rules: [snow]}\n")
        at = {"textDocument": {"uri": uri}, "position": {"line": 1, "character": 24}}
        (found,) = editor.ask("textDocument/definition", at)
        assert found["uri"] == (folder / name).as_uri()


def test_the_user_may_stop_the_reading_of_the_workspace(folder: Path) -> None:
    for number in range(300):
        (folder / f"{number}.yml").write_text(RULE)
    with Editor(folder) as editor:
        begun = editor.wait_for(lambda note: note["params"].get("value", {}).get("kind") == "begin")
        token = begun["params"]["token"]
        editor.notify("window/workDoneProgress/cancel", {"token": token})
        editor.wait_until_indexed()
        uri = editor.open("0.yml", RULE)
        assert "W_UNUSED" in [each["code"] for each in editor.diagnostics(uri)]


def test_no_code_of_the_workspace_is_run(folder: Path) -> None:
    for name in ("sigmac", "yaml", "pickle", "json", "click"):
        (folder / f"{name}.py").write_text("open('run', 'w')")
    (folder / "a.yml").write_text(TESTED)
    with Editor(folder) as editor:
        uri = editor.open("a.yml", TESTED)
        editor.diagnostics(uri)
        (lens,) = editor.ask("textDocument/codeLens", {"textDocument": {"uri": uri}})
        editor.ask("workspace/executeCommand", lens["command"])
        told = editor.wait_for(lambda note: note["method"] == "window/showMessage")
        assert told["params"]["message"] == "sigmac: A: 2 of 3 tests passed"
    assert not (folder / "run").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="/proc tells the children of a process")
def test_a_process_that_dies_is_replaced(folder: Path) -> None:
    with Editor(folder) as editor:
        editor.wait_until_indexed()
        server = editor.process.pid
        children = Path(f"/proc/{server}/task/{server}/children").read_text().split()
        uri = editor.open("a.yml", RULE)
        assert [each["code"] for each in editor.diagnostics(uri)] == ["W_UNUSED"]
        for child in children:
            os.kill(int(child), signal.SIGKILL)
        editor.change(uri, f"{RULE}level: high\n")
        assert [each["code"] for each in editor.diagnostics(uri)] == ["W_UNUSED"]


def test_an_editor_may_cancel_a_request(folder: Path) -> None:
    with Editor(folder) as editor:
        uri = editor.open("a.yml", RULE)
        at = {"textDocument": {"uri": uri}, "position": {"line": 0, "character": 0}}
        number = editor.send_request("textDocument/hover", at)
        editor.notify("$/cancelRequest", {"id": number})
        assert {"result", "error"} & editor.wait_for_answer(number).keys()
        assert editor.ask("textDocument/hover", at) is not None
