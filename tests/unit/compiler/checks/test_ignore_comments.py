"""Comments take back what is said of their lines, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sigmac.compiler.checks.checker import check_sources
from sigmac.compiler.checks.ignore_comments import check_ignored, ignore_comments, without_ignored
from sigmac.compiler.diagnostics.diagnostic import Diagnostic, Place
from sigmac.compiler.syntax.rule_files import find_sources
from tests.unit.packs import compile_text

RULE = r"""title: T
logsource: {product: windows, category: process_creation}
detection:
  s:
    A|contains|all: xBEHIND
ABOVE
    B|contains|all: y
  condition: s
"""


def said(folder: Path, behind: str = "", above: str = "") -> list[tuple[str, int]]:
    """What `sigmac check` says of the rule, but for notes on its metadata; a build says the same warnings."""
    text = RULE.replace("BEHIND", behind).replace("ABOVE", above)
    (folder / "r.yml").write_text(text, encoding="utf-8")
    checked = check_sources(find_sources([folder / "r.yml"]))
    built = compile_text(text, folder / "built").diagnostics
    assert [d.code for d in built] == [d.code for d in checked if d.severity != "note"]
    return [(d.code, d.place.line) for d in checked if d.code in ("W_ALL_SINGLE", "N_IGNORE")]


@pytest.mark.parametrize(
    ("behind", "above", "found"),
    [
        ("", "", [("W_ALL_SINGLE", 5), ("W_ALL_SINGLE", 7)]),
        (" # sigmac: ignore[W_ALL_SINGLE] as the tool writes it", "", [("W_ALL_SINGLE", 7)]),
        ("", "    # sigmac: ignore[W_ALL_SINGLE]", [("W_ALL_SINGLE", 5)]),
        ("", "#sigmac:ignore[ W_ALL_SINGLE ]\n\n  # more\n", [("W_ALL_SINGLE", 5)]),
        (" # sigmac: ignore[W_TAG, W_ALL_SINGLE]", "", [("W_ALL_SINGLE", 7), ("N_IGNORE", 5)]),
        (
            " # sigmac: ignore[W_ALL_SINGEL]",
            "",
            [("W_ALL_SINGLE", 5), ("W_ALL_SINGLE", 7), ("N_IGNORE", 5)],
        ),
        (" # sigmac: ignore[]", "", [("W_ALL_SINGLE", 5), ("W_ALL_SINGLE", 7)]),
        (" # sigmac: ignore W_ALL_SINGLE", "", [("W_ALL_SINGLE", 5), ("W_ALL_SINGLE", 7)]),
    ],
)
def test_a_comment_is_about_its_line(
    behind: str, above: str, found: list[tuple[str, int]], tmp_path: Path
) -> None:
    assert said(tmp_path, behind, above) == found


def test_an_error_is_never_taken_back() -> None:
    error = Diagnostic("E_YAML", "m", Place("r.yml", 1, 1))
    files = {"r.yml": b"x # sigmac: ignore[E_YAML]"}
    assert without_ignored([error], files) == [error]
    kept, note = check_ignored([error], files)
    assert kept == error
    assert note.message == "E_YAML is an error, which no comment takes back"
    assert note.place == Place("r.yml", 1, 20, 6)


def test_a_comment_of_one_file_is_not_about_another() -> None:
    found = [Diagnostic("W_ALL_SINGLE", "m", Place("a.yml", 1, 1))]
    assert without_ignored(found, {"b.yml": b"x # sigmac: ignore[W_ALL_SINGLE]"}) == found


@given(st.binary(max_size=200))
def test_whatever_a_file_holds_is_read(data: bytes) -> None:
    for comment in ignore_comments(b"# sigmac: ignore[A]\n" + data, "r.yml"):
        assert comment.line >= 1
