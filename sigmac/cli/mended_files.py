"""What `sigmac check --fix` does to files, and `--diff` shows of it."""

from __future__ import annotations

import difflib
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from sigmac.cli.options import say
from sigmac.runtime.errors import InputError
from sigmac.runtime.printable import escaped

if TYPE_CHECKING:
    from sigmac.compiler.diagnostics.conventions import Conventions
    from sigmac.compiler.diagnostics.diagnostic import Diagnostic
    from sigmac.compiler.fixes.find_fixes import Mended
    from sigmac.compiler.fixes.fix import Fix
    from sigmac.compiler.syntax.rule_files import SourceFile

MAX_SHOWN = 50  # fixes that are told one by one
DROPPED = "not mended, as the file would not say the same any more"


def mend_files(
    sources: Sequence[SourceFile],
    paths: Sequence[str],
    is_told: Callable[[Diagnostic], bool],
    conventions: Conventions,
) -> None:
    """Mend the findings of some files that are told and have one right answer, and say what was mended.

    Raises `InputError` where a file cannot be read or written.
    """
    from sigmac.compiler.syntax.rule_files import replace_file

    fixes: list[Fix] = []
    dropped: list[Fix] = []
    files = 0
    for source, before, made in _mended(sources, paths, is_told, conventions):
        dropped += made.dropped
        if made.text == before:
            continue
        try:
            replace_file(source.path, made.text.encode())
        except OSError as error:
            raise InputError(f"{source.file}: {error.strerror or error}") from None
        fixes += made.fixes
        files += 1
    _tell(fixes, files, dropped)


def show_mended(
    sources: Sequence[SourceFile],
    paths: Sequence[str],
    is_told: Callable[[Diagnostic], bool],
    conventions: Conventions,
) -> bool:
    """Print as a unified diff what `mend_files` would change; whether it would change anything."""
    changed = False
    for source, before, made in _mended(sources, paths, is_told, conventions):
        for each in made.dropped:
            say(f"{each.place}: {each.code} {DROPPED}")
        for line in _diff(source.file, before, made.text):
            changed = True
            if sys.stdout.isatty():
                print(escaped(line))
            else:
                sys.stdout.buffer.write(line.encode() + b"\n")
    sys.stdout.flush()
    return changed


def _mended(
    sources: Sequence[SourceFile],
    paths: Sequence[str],
    is_told: Callable[[Diagnostic], bool],
    conventions: Conventions,
) -> Iterator[tuple[SourceFile, str, Mended]]:
    """The text of each file, and what becomes of it."""
    from sigmac.compiler.fixes.find_fixes import mend

    given = [os.path.realpath(path) for path in paths]
    for source in sources:
        if not source.path.is_file():
            continue  # a pipe
        try:
            text = source.read().decode()
        except UnicodeDecodeError:
            continue  # told as an error
        made = mend(text, source.file, is_told, conventions)
        if made.fixes and not _is_below(os.path.realpath(source.path), given):
            say(f"sigmac: {source.file} is a link to a file that was not given, and left as it is")
            continue
        yield source, text, made


def _is_below(real: str, given: Sequence[str]) -> bool:
    return any(real == each or real.startswith(os.path.join(each, "")) for each in given)


def _tell(fixes: Sequence[Fix], files: int, dropped: Sequence[Fix]) -> None:
    for each in fixes[:MAX_SHOWN]:
        say(f"{each.place}: {each.code} mended: {each.title}")
    if len(fixes) > MAX_SHOWN:
        say(f"… and {len(fixes) - MAX_SHOWN:,} more")
    for each in dropped:
        say(f"{each.place}: {each.code} {DROPPED}")
    if fixes:
        counts = Counter(each.code for each in fixes)
        codes = ", ".join(f"{count:,} {code}" for code, count in counts.most_common())
        noun = "file" if files == 1 else "files"
        say(f"mended {len(fixes):,} in {files:,} {noun}: {codes}")


def _diff(file: str, before: str, after: str) -> Iterator[str]:
    """The lines of a unified diff, without their ends."""
    if before == after:
        return
    old, new = (_lines(text) for text in (before, after))
    name = escaped(file)
    for line in difflib.unified_diff(old, new, name, name, lineterm=""):
        yield from line.split("\n")


def _lines(text: str) -> list[str]:
    *lines, rest = text.split("\n")
    return [*lines, f"{rest}\n\\ No newline at end of file"] if rest else lines
