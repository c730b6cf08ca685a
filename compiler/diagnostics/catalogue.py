"""The table of every diagnostic code: what it says, why, a bad and a good example.

`codes/*.yml` hold it, a file a topic, one entry a code: `summary` in one line, `explanation` in a
few sentences, and two examples in YAML. A comment of carets under a line of the bad example marks
the place that the diagnostic names. An example that has neither title nor logsource gets both, so
that it can be short. The tests run all examples, `docs/checks.md` is made from this table, and
`sigmac check --list` prints it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from typing import Any

import yaml

from sigmac.compiler.diagnostics.diagnostic import SEVERITIES

TOPICS = {
    "files": "Files and documents",
    "metadata": "Metadata and logsource",
    "detections": "Detections",
    "values": "Values",
    "regexes": "Regular expressions",
    "text": "Characters that mislead",
    "conditions": "Conditions",
    "logic": "Logic",
    "sets": "Rules among rules",
    "correlations": "Correlations and filters",
    "pipelines": "Pipelines and placeholders",
    "cases": "Cases of rules",
}
_FRAME = "title: An example\nlogsource:\n    category: process_creation\n    product: windows\n"


@dataclass(frozen=True, slots=True)
class Check:
    """One diagnostic code as users read of it.

    `pipeline` (one name or several), `placeholders` and `required` (keys of rules) are what the examples are checked
    with, where they need it. `fix` is what `sigmac check --fix` does about it, if anything; a matter of `style` is
    told by nothing else.
    """

    code: str
    topic: str
    summary: str
    explanation: str
    bad: str
    good: str
    pipeline: str = ""
    placeholders: Mapping[str, Sequence[str]] = field(default_factory=dict)
    required: Sequence[str] = ()
    fix: str = ""
    style: bool = False

    @property
    def severity(self) -> str:
        return SEVERITIES[self.code[:2]]


@cache
def catalogue() -> dict[str, Check]:
    """Every code, by topic and then in the order of its file."""
    found: dict[str, Check] = {}
    folder = resources.files("sigmac.compiler.diagnostics").joinpath("codes")
    for topic in TOPICS:
        entries: dict[str, dict[str, Any]] = yaml.safe_load(
            folder.joinpath(f"{topic}.yml").read_text("utf-8")
        )
        for code, entry in entries.items():
            found[code] = Check(code, topic, **{k: _text(v) for k, v in entry.items()})
    return found


def _text(value: Any) -> Any:
    return value.strip("\n") + "\n" if isinstance(value, str) and "\n" in value else value


def completed(example: str) -> str:
    """An example as a whole rule: title and logsource added where it has neither.

    They come last, so that lines keep their numbers.
    """
    if re.search(r"^(title|logsource):", example, re.MULTILINE) or "detection:" not in example:
        return example
    return example + _FRAME


def visible(example: str) -> str:
    """An example with the characters that cannot be seen as `<U+200B>`."""
    return "".join(c if c.isprintable() or c == "\n" else f"<U+{ord(c):04X}>" for c in example)


def markdown(check: Check) -> str:
    """A code's explanation and examples as Markdown."""
    bad, good = visible(check.bad), visible(check.good)
    fix = f"`sigmac check --fix`: {check.fix}.\n\n" if check.fix else ""
    return f"{check.explanation}\n\n{fix}Instead of\n\n```yaml\n{bad}```\n\nwrite\n\n```yaml\n{good}```\n"


_HEAD = """\
<!-- Made from compiler/diagnostics/codes by `python -m sigmac.compiler.diagnostics`; change it there. -->

# What sigmac checks

`sigmac check PATH...` reads rules, finds every problem of every file in one run, and builds
nothing. `sigmac build` says the same errors and warnings of the rules that it compiles.

- An **error** (`E_…`) refuses one document: it cannot be given a meaning. All others are compiled.
- A **warning** (`W_…`) never changes what a rule means: it says that the rule may not mean what
  its author meant.
- A **note** (`N_…`) is advice, which only `sigmac check` gives.

A [project file](project.md#conventions) makes errors, warnings or notes of warnings and notes, names tag namespaces of
its own, and keys that rules must have.

Codes are stable: they are not renamed, and reports can be compared over time.

## Reports

`--format text` (for people), `json` or `sarif` (SARIF 2.1.0, for code hosts and editors). The JSON
report is one object:

| key | value |
| --- | --- |
| `version` | 1; keys are added without changing it |
| `diagnostics` | list of objects, sorted by file, line and column |
| `counts` | `errors`, `warnings`, `notes`, and `files` that have any |

and each of the diagnostics has

| key | value |
| --- | --- |
| `code`, `severity` | as below; `error`, `warning` or `note` |
| `message`, `hint` | one sentence each; `hint` is empty where there is none |
| `file` | as it was named on the command line |
| `line`, `column` | from 1; 0 where unknown. A column counts characters, not bytes |
| `width` | how many characters are meant |
| `document` | which document of the file, from 0 |
| `pointer` | JSON pointer of the node inside its document, as `/detection/selection/Image` |

## Mending

`sigmac check --fix` mends the findings that have one right answer, in the files themselves, says what it mended, and
reports the findings that are left; the exit status is that of the files as they are then. `--diff` shows the same as a
unified diff and changes nothing; its exit status is 1 where there is something to mend. The table below marks the codes
that are mended, and each of them says how.

- The text is edited in place: comments, layout, line ends and all other bytes stay as they are. A file is exchanged in
  one step; its owner, its mode and links to it stay. A link to a file outside of what was given is left alone.
- A file says the same afterwards. It is read again: each rule must ask the same of events, and have the same metadata
  but for what was mended. A fix that would change that is dropped, and told. A rule that an error refused is compiled
  then, if that was its only error.
- `--ignore CODE`, `--no-notes` and comments (`# sigmac: ignore[CODE]`) keep `--fix` from what they take back.
- What is a matter of style alone ([`N_KEY_ORDER`](#n_key_order)) is mended, and never reported.

## All codes

Titles and logsources are left out of the examples below, where they do not matter. Carets mark what
is reported.
"""


def reference() -> str:
    """The text of `docs/checks.md`."""
    return "\n".join(_reference())


def _reference() -> Iterator[str]:
    yield _HEAD
    yield "| code | what it says | `--fix` |\n| --- | --- | --- |"
    for check in catalogue().values():
        mended = "✓" if check.fix else ""
        yield f"| [`{check.code}`](#{check.code.lower()}) | {check.summary} | {mended} |"
    for topic, heading in TOPICS.items():
        yield f"\n## {heading}"
        for check in catalogue().values():
            if check.topic == topic:
                yield f"\n### {check.code}\n\n*{check.severity.capitalize()}.* **{check.summary}.**"
                yield markdown(check).rstrip("\n")
    yield ""
