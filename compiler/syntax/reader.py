"""What reads one document: it knows its file, and collects all its faults before the first refuses it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sigmac.compiler.diagnostics.diagnostic import Diagnostics, Place, RuleError
from sigmac.compiler.syntax.rule import Reference
from sigmac.compiler.syntax.yaml_nodes import Document, Node


@dataclass(slots=True)
class Reader:
    """Reads one document: knows its file, collects its diagnostics, adds up what its values cost."""

    document: Document
    diagnostics: Diagnostics
    spent: int = 0

    def place(self, node: Node) -> Place:
        return node.place(self.document.file, self.document.index)

    def warn(self, code: str, message: str, node: Node, hint: str = "") -> None:
        self.diagnostics.report(code, message, self.place(node), hint)

    def fail(self, code: str, message: str, node: Node, hint: str = "") -> RuleError:
        return RuleError(code, message, self.place(node), hint)

    def attempt(self, *steps: Callable[[], Any]) -> list[Any]:
        """What each step gives; all are carried out, so that all faults are found.

        Raises the `RuleError` of the last step that raised one; those of the others are reported.
        """
        made: list[Any] = []
        failures: list[RuleError] = []
        for step in steps:
            try:
                made.append(step())
            except RuleError as error:
                failures.append(error)
        self.refuse(failures)
        return made

    def refuse(self, failures: Sequence[RuleError]) -> None:
        """Raise the last of some failures, and report the others; where there is none nothing happens."""
        for failure in failures[:-1]:
            self.diagnostics.catch(failure)
        if failures:
            raise failures[-1]

    def references(self, node: Node, code: str) -> tuple[Reference, ...]:
        """The rules that a correlation or filter names: one id or name, or a list of them.

        Raises `RuleError` with the given code.
        """
        found = []
        for child in node.value if node.is_list else [node]:
            if not isinstance(child.value, str) or not child.value:
                message = "a rule is referred to by its id or name, a text"
                raise self.fail(code, message, child, "put it in quotes")
            found.append(Reference(child.value, self.place(child)))
        return tuple(found)
