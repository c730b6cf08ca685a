"""Packs made in a test, from the text of rules."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

from sigmac.compiler.packaging.build import BuildOptions, BuildResult, compile_sources
from sigmac.compiler.packaging.build_cache import Cache
from sigmac.compiler.packaging.writer import write_pack
from sigmac.compiler.syntax.rule_files import find_sources
from sigmac.runtime import Pack, load_pack


def rule(detection: str, title: str = "Rule", logsource: str = "product: any", **more: str) -> str:
    """The text of a rule whose detection is these lines."""
    head = "".join(f"{key}: {value}\n" for key, value in {"title": title, **more}.items())
    body = textwrap.indent(textwrap.dedent(detection).strip("\n"), "  ")
    return f"{head}logsource: {{{logsource}}}\ndetection:\n{body}\n"


def compile_text(rules: str, folder: Path, **options: Any) -> BuildResult:
    """The build of one file of rules, from nothing."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "rules.yml"
    file.write_text(rules, encoding="utf-8")
    return compile_sources(find_sources([file]), BuildOptions("test", **options), Cache(None))


def write_text_pack(rules: str, folder: Path, **options: Any) -> Path:
    """The folder of a pack of one file of rules."""
    made = compile_text(rules, folder, **options)
    assert made.errors == []
    write_pack(made.rendered, folder / "pack")
    return folder / "pack"


def make_pack(rules: str, folder: Path, *, memory_budget: int = 64 << 20, **options: Any) -> Pack:
    """A loaded pack of one file of rules."""
    return load_pack(write_text_pack(rules, folder, **options), memory_budget=memory_budget)


def titles(pack: Pack, event: dict[str, Any], **options: Any) -> list[str]:
    """The titles of the rules that match an event."""
    return [match.rule.title for match in pack.match(event, **options)]
