"""What a run of cases gave, and the text of it for people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sigmac.compiler.diagnostics.diagnostic import Diagnostic
from sigmac.runtime.printable import escaped
from sigmac.verdicts.verdict import Verdict

_RED, _GREEN, _BOLD, _RESET = "\x1b[1;31m", "\x1b[1;32m", "\x1b[1m", "\x1b[0m"


@dataclass(frozen=True, slots=True)
class Report:
    """The verdicts, and the diagnostics of rules and cases, which are not judged where those are errors."""

    verdicts: Sequence[Verdict]
    diagnostics: Sequence[Diagnostic]
    seconds: float

    @property
    def failed(self) -> list[Verdict]:
        return [each for each in self.verdicts if not each.passed]

    @property
    def errors(self) -> list[Diagnostic]:
        return [each for each in self.diagnostics if each.is_error]

    @property
    def rules(self) -> int:
        """How many rules and correlations the cases are of."""
        return len({each.rule.key for each in self.verdicts})

    def summary(self) -> str:
        """Counts in one line."""
        failed = len(self.failed)
        cases = _count(len(self.verdicts), "case")
        rules = _count(self.rules, "rule")
        parts = [f"{len(self.verdicts) - failed:,} passed", f"{failed:,} failed" if failed else ""]
        errors = _count(len(self.errors), "error") if self.errors else ""
        said = ", ".join(filter(None, [*parts, errors]))
        return f"{cases} of {rules}: {said} in {self.seconds:.1f} s"


def render_text(report: Report, *, color: bool) -> str:
    """Each case that failed, and the counts."""
    bold, red, green, reset = (_BOLD, _RED, _GREEN, _RESET) if color else ("", "", "", "")
    made = [line for each in report.failed for line in _failed(each, bold, red, reset)]
    sign = red if report.failed or report.errors else green
    return "\n".join([*made, f"{sign}{report.summary()}{reset}"]) + "\n"


def _failed(verdict: Verdict, bold: str, red: str, reset: str) -> Iterator[str]:
    where = escaped(f"{verdict.place.file}:{verdict.place.line}")
    yield f"{bold}{where}:{reset} {red}failed:{reset} {escaped(verdict.rule.title)}: {escaped(verdict.why)}"
    yield f"    expected {escaped(verdict.expected)}"
    yield f"    got      {escaped(verdict.got)}"
    for line in verdict.reasons:
        yield f"    because  {escaped(line)}"
    yield ""


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
