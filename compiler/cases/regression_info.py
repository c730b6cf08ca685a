"""SigmaHQ's `info.yml`: which recorded events a rule must match, and how many of them at least."""

from __future__ import annotations

from sigmac.compiler.cases.case import CaseDocument, CaseFile, FileCase
from sigmac.compiler.cases.read_cases import TESTS
from sigmac.compiler.diagnostics.diagnostic import RuleError
from sigmac.compiler.syntax.reader import Reader
from sigmac.compiler.syntax.yaml_nodes import Document, Node, documents


def read_regression(data: bytes, file: str) -> CaseFile:
    """The tests in such a file. Never raises for what stands in it.

    Other keys are SigmaHQ's own affair, and passed over.
    """
    found = CaseFile(file)
    try:
        for document in documents(data, file):
            _read(document, found)
    except RuleError as error:
        found.diagnostics.catch(error)
    return found


def _read(document: Document, found: CaseFile) -> None:
    reader = Reader(document, found.diagnostics)
    root = document.root
    tests = root.value.get(TESTS) if root.is_map else None
    if tests is None or not tests.value:
        reader.warn("W_CASE_NONE", f"there is no case: `{TESTS}` is missing", tests or root)
        return
    if not tests.is_list:
        raise reader.fail("E_CASE", f"`{TESTS}` is a list of tests", tests)
    cases = []
    for number, each in enumerate(tests.value, 1):
        try:
            cases.append(_test(reader, each, number))
        except RuleError as error:
            found.diagnostics.catch(error)
    found.documents.append(
        CaseDocument(reader.place(root), tuple(cases), ids=frozenset(_ids(root)))
    )


def _test(reader: Reader, node: Node, number: int) -> FileCase:
    path = node.value.get("path") if node.is_map else None
    if path is None or not isinstance(path.value, str) or not path.value:
        raise reader.fail("E_CASE", "a test has `path`, a file with events", path or node)
    count = node.value.get("match_count")
    if count is not None and (type(count.value) is not int or count.value < 1):
        raise reader.fail("E_CASE", "`match_count` is a whole number from 1 on", count)
    name = node.value.get("name")
    said = f"test {number}" if name is None or not name.is_scalar else str(name.value)
    return FileCase(
        said,
        reader.place(node),
        path.value.replace("\\", "/"),
        reader.place(path),
        1 if count is None else count.value,
        None,
        above=True,
        count_place=None if count is None else reader.place(count),
    )


def _ids(root: Node) -> list[str]:
    listed = root.value.get("rule_metadata")
    entries = listed.value if listed is not None and listed.is_list else []
    ids = [each.value.get("id") for each in entries if each.is_map]
    return [str(each.value).lower() for each in ids if each is not None and each.value]
