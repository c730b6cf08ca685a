"""What the server answers: the cases in `cases/*.yml`, each asked of the real process over the protocol.

A file of cases has a `workspace` (files by their names), and `cases`: what each is `about`, a `text` with a caret as
the cursor, the `request`, and what is expected. Texts are opened as `open.yml` in the workspace, or as `file`. Expected
are, by the request:

- `diagnostics`: one line each, as `6:5-6:6 warning W_UNUSED no condition uses`: the range, the severity, the code and
  how the message begins; places that it speaks of follow as ` <- other.yml:1:8`;
- `completion`: `begins`, the first labels in their order; `has` and `lacks`, labels; `becomes`, the text after the
  proposal of this `label` was taken;
- `hover`: `has`, parts of its text, or `null`; `of`, the text that it is about;
- `definition` and `references`: places, as `open.yml:7:16`;
- `rename`: `of`, what is renamed, `null` where nothing is; `to`, the new name, and `becomes`, the text with it, or
  `refused`, what is said instead;
- `actions`: `titles`, what is offered at the cursor, but for the tests; `becomes`, the text after the action of this
  `title`;
- `lenses`: where they stand and what they say, as `1:8-1:14 Run the tests of this rule`;
- `outline`: the symbols, a line each, those inside others indented, with what stands beside the name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.unit.lsp.editor import Editor, Refused

CURSOR = "‸"
FILES = sorted((Path(__file__).parent / "cases").glob("*.yml"))
TESTING = "Run the tests of this rule"
SEVERITIES = {1: "error", 2: "warning", 3: "note"}


def _cases() -> Iterator[Any]:
    for file in FILES:
        for case in yaml.safe_load(file.read_text(encoding="utf-8"))["cases"]:
            yield pytest.param(file, case, id=f"{file.stem}: {case['about']}")


@pytest.fixture(scope="module")
def editors(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[Path, Editor]]:
    """An editor for each file of cases, started when its first case is run."""
    started: dict[Path, Editor] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield started
        for editor in started.values():
            editor.__exit__(None, None, None)


@pytest.fixture
def editor(
    file: Path, editors: dict[Path, Editor], tmp_path_factory: pytest.TempPathFactory
) -> Editor:
    if file not in editors:
        given = yaml.safe_load(file.read_text(encoding="utf-8"))
        folder = tmp_path_factory.mktemp(file.stem)
        for name, text in given.get("workspace", {}).items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text, encoding="utf-8")
        made = Editor(folder, *given.get("options", ()))
        made.wait_until_indexed()
        editors[file] = made
    return editors[file]


@pytest.mark.parametrize(("file", "case"), [*_cases()])
def test_the_server_answers_as_the_case_says(
    editor: Editor, file: Path, case: dict[str, Any]
) -> None:
    text, at = case["text"], position(case["text"])
    uri = editor.open(case.get("file", "open.yml"), text.replace(CURSOR, ""))
    try:
        ANSWERS[case["request"]](editor, uri, at, case)
    finally:
        editor.close(uri)


def position(text: str) -> dict[str, int]:
    before = text.partition(CURSOR)[0].split("\n")
    return {"line": len(before) - 1, "character": len(before[-1])}


def _asked(editor: Editor, method: str, uri: str, at: dict[str, int], **more: Any) -> Any:
    given = {"textDocument": {"uri": uri}, "position": at, **more}
    return editor.ask(f"textDocument/{method}", given)


def _diagnostics(editor: Editor, uri: str, _: dict[str, int], case: dict[str, Any]) -> None:
    found = [_line(editor, each) for each in editor.diagnostics(uri)]
    expected = case["expect"]
    assert [line[: len(each)] for line, each in zip(found, expected, strict=False)] == expected
    assert len(found) == len(expected), found


def _line(editor: Editor, found: dict[str, Any]) -> str:
    message = found["message"].partition("\n")[0]
    also = "".join(
        f" <- {where(editor, each['location'])}" for each in found.get("relatedInformation", ())
    )
    return f"{span(found['range'])} {SEVERITIES[found['severity']]} {found['code']} {message}{also}"


def where(editor: Editor, location: dict[str, Any]) -> str:
    """A location as `name:line:column`, counted from 1."""
    name = location["uri"].removeprefix(f"{editor.folder.as_uri()}/")
    start = location["range"]["start"]
    return f"{name}:{start['line'] + 1}:{start['character'] + 1}"


def span(found: dict[str, Any]) -> str:
    start, end = (found[each] for each in ("start", "end"))
    return "-".join(f"{each['line'] + 1}:{each['character'] + 1}" for each in (start, end))


def _completion(editor: Editor, uri: str, at: dict[str, int], case: dict[str, Any]) -> None:
    items = _asked(editor, "completion", uri, at)["items"]
    labels = [each["label"] for each in items]
    begins = case.get("begins", [])
    assert labels[: len(begins)] == begins
    assert {*case.get("has", ())} - {*labels} == set()
    assert {*case.get("lacks", ())} & {*labels} == set()
    if "becomes" in case:
        edit = next(each["textEdit"] for each in items if each["label"] == case["label"])
        text = edited(case["text"].replace(CURSOR, ""), [edit])
        assert text == case["becomes"]


def edited(text: str, edits: list[dict[str, Any]]) -> str:
    """A text after some edits; positions count characters."""
    lines = text.splitlines(keepends=True) or [""]
    starts = [sum(map(len, lines[:number])) for number in range(len(lines) + 1)]

    def offset(at: dict[str, int]) -> int:
        return starts[at["line"]] + at["character"]

    spans = [(offset(e["range"]["start"]), offset(e["range"]["end"]), e["newText"]) for e in edits]
    for start, end, new in sorted(spans, reverse=True):
        text = text[:start] + new + text[end:]
    return text


def _hover(editor: Editor, uri: str, at: dict[str, int], case: dict[str, Any]) -> None:
    found = _asked(editor, "hover", uri, at)
    if case["has"] is None:
        assert found is None
        return
    said = found["contents"]["value"]
    assert [part for part in case["has"] if part not in said] == [], said
    if "of" in case:
        lines = case["text"].replace(CURSOR, "").split("\n")
        start, end = found["range"]["start"], found["range"]["end"]
        assert lines[start["line"]][start["character"] : end["character"]] == case["of"]


def _definition(editor: Editor, uri: str, at: dict[str, int], case: dict[str, Any]) -> None:
    found = _asked(editor, "definition", uri, at)
    assert [where(editor, each) for each in found] == case["expect"]


def _references(editor: Editor, uri: str, at: dict[str, int], case: dict[str, Any]) -> None:
    context = {"includeDeclaration": case.get("declared", True)}
    found = _asked(editor, "references", uri, at, context=context)
    assert [where(editor, each) for each in found] == case["expect"]


def _rename(editor: Editor, uri: str, at: dict[str, int], case: dict[str, Any]) -> None:
    text = case["text"].replace(CURSOR, "")
    prepared = _asked(editor, "prepareRename", uri, at)
    assert (prepared["placeholder"] if prepared else None) == case["of"]
    if prepared:
        start, end = prepared["range"]["start"], prepared["range"]["end"]
        assert text.split("\n")[start["line"]][start["character"] : end["character"]] == case["of"]
    if "refused" in case:
        with pytest.raises(Refused, match=re.escape(case["refused"])):
            _asked(editor, "rename", uri, at, newName=case["to"])
    elif "to" in case:
        changes = _asked(editor, "rename", uri, at, newName=case["to"])["changes"]
        assert edited(text, changes[uri]) == case["becomes"]


def _outline(editor: Editor, uri: str, _: dict[str, int], case: dict[str, Any]) -> None:
    found = editor.ask("textDocument/documentSymbol", {"textDocument": {"uri": uri}})
    assert [*_symbols(found, 0, None)] == case["expect"]


def _symbols(
    found: list[dict[str, Any]], depth: int, around: dict[str, Any] | None
) -> Iterator[str]:
    for each in found:
        for inner, outer in ((each["selectionRange"], each["range"]), (each["range"], around)):
            assert outer is None or _is_inside(inner, outer)
        detail = f" ({each['detail']})" if "detail" in each else ""
        yield f"{'  ' * depth}{each['name']}{detail}"
        yield from _symbols(each.get("children") or [], depth + 1, each["range"])


def _is_inside(inner: dict[str, Any], outer: dict[str, Any]) -> bool:
    starts, ends = (
        [(each[key]["line"], each[key]["character"]) for each in (outer, inner)]
        for key in ("start", "end")
    )
    return starts[0] <= starts[1] and ends[0] >= ends[1]


def _actions(editor: Editor, uri: str, at: dict[str, int], case: dict[str, Any]) -> None:
    context = {"diagnostics": editor.diagnostics(uri)}
    given = {"textDocument": {"uri": uri}, "range": {"start": at, "end": at}, "context": context}
    found = editor.ask("textDocument/codeAction", given)
    found = [each for each in found if each["title"] != TESTING]
    assert [each["title"] for each in found] == case["titles"]
    if "becomes" in case:
        action = next(each for each in found if each["title"] == case["title"])
        if "edit" not in action:
            action = editor.ask("codeAction/resolve", action)
        text = case["text"].replace(CURSOR, "")
        assert edited(text, action["edit"]["changes"][uri]) == case["becomes"]


def _lenses(editor: Editor, uri: str, _: dict[str, int], case: dict[str, Any]) -> None:
    found = editor.ask("textDocument/codeLens", {"textDocument": {"uri": uri}})
    assert [f"{span(each['range'])} {each['command']['title']}" for each in found] == case["expect"]


ANSWERS = {
    "actions": _actions,
    "lenses": _lenses,
    "diagnostics": _diagnostics,
    "completion": _completion,
    "hover": _hover,
    "definition": _definition,
    "references": _references,
    "rename": _rename,
    "outline": _outline,
}
