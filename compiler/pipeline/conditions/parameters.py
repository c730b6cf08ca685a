"""The parameters of a pipeline file: read one by one, each of the type that is asked for.

Whoever reads a map says which keys it knows by asking for them; `finish` refuses the others. So a
misspelt key is an error with its place, never a setting without effect.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable
from typing import Any

from sigmac.compiler.diagnostics.diagnostic import (
    Diagnostics,
    Place,
    RuleError,
    did_you_mean,
)
from sigmac.compiler.syntax.modifiers.modifiers import ModifierError
from sigmac.compiler.syntax.modifiers.regex_values import check_regex
from sigmac.compiler.syntax.yaml_nodes import Document, Node

CODE = "E_PIPELINE"


class Parameters:
    """One map of a pipeline file; `what` is how messages call it, `warnings` take what is no error.

    Every error is a `RuleError` (`E_PIPELINE`).
    """

    def __init__(
        self, document: Document, node: Node, what: str, warnings: Diagnostics | None = None
    ):
        self.document = document
        self.warnings = Diagnostics() if warnings is None else warnings
        self.node = node
        self.what = what
        self.asked: set[str] = set()
        if not node.is_map:
            raise self.fail(f"{what} must be a map", node)

    def place(self, node: Node | None = None) -> Place:
        return (node or self.node).place(self.document.file, self.document.index)

    def fail(self, message: str, node: Node | None = None, hint: str = "") -> RuleError:
        return RuleError(CODE, message, self.place(node), hint)

    def warn(self, code: str, message: str, node: Node | None, hint: str = "") -> None:
        self.warnings.report(code, message, self.place(node), hint)

    def finish(self) -> None:
        """Refuse the keys that nobody asked for."""
        for key, key_node in (self.node.keys or {}).items():
            if key not in self.asked:
                known = sorted(self.asked)
                name = self.as_text(key_node, f"a key of {self.what}")
                hint = did_you_mean(name, known) or f"known are {', '.join(known)}"
                raise self.fail(f"{self.what} has no key `{name[:60]}`", key_node, hint)

    def optional(self, key: str) -> Node | None:
        """The node of a key, None where the key is missing or null."""
        self.asked.add(key)
        found = self.node.value.get(key)
        return found if isinstance(found, Node) and found.value is not None else None

    def required(self, key: str) -> Node:
        found = self.optional(key)
        if found is None:
            raise self.missing(key)
        return found

    def missing(self, key: str) -> RuleError:
        """A required key is not there; perhaps it is spelt in another way."""
        others = [name for name in self.node.value if isinstance(name, str)]
        near = difflib.get_close_matches(key, sorted(set(others) - self.asked)[:100], n=1)
        hint = f"write `{key}` in place of `{near[0][:60]}`" if near else ""
        return self.fail(f"{self.what} needs `{key}`", self.node.value.get(key), hint)

    def inner(self, key: str, what: str) -> Parameters:
        """A map below a required key."""
        return Parameters(self.document, self.required(key), what)

    def text(self, key: str, default: str | None = None) -> str:
        """A text; required where there is no default."""
        node = self.optional(key) if default is not None else self.required(key)
        return self.as_text(node, f"`{key}`") if node else default or ""

    def as_text(self, node: Node, what: str) -> str:
        if not isinstance(node.value, str):
            raise self.fail(
                f"{what} must be text", node, "put it in quotes" if node.is_scalar else ""
            )
        return node.value

    def name(self, node: Node, what: str) -> str:
        """A text that is not empty, such as a field name."""
        text = self.as_text(node, what)
        if not text:
            raise self.fail(f"{what} is empty", node)
        return text

    def names(self, key: str) -> tuple[str, ...]:
        """One name or a list of at least one."""
        return self.as_names(self.required(key), f"`{key}`")

    def optional_names(self, key: str) -> tuple[str, ...] | None:
        node = self.optional(key)
        return self.as_names(node, f"`{key}`") if node else None

    def as_names(self, node: Node, what: str) -> tuple[str, ...]:
        nodes = node.value if node.is_list else [node]
        if not nodes:
            raise self.fail(f"{what} is empty", node)
        return tuple(dict.fromkeys(self.name(each, what) for each in nodes))

    def flag(self, key: str) -> bool:
        """True or false; false where the key is missing."""
        node = self.optional(key)
        if node is None:
            return False
        if not isinstance(node.value, bool):
            raise self.fail(f"`{key}` is true or false", node)
        return node.value

    def integer(self, key: str) -> int:
        """A whole number; 0 where the key is missing."""
        node = self.optional(key)
        if node is None:
            return 0
        if isinstance(node.value, bool) or not isinstance(node.value, int):
            raise self.fail(f"`{key}` must be a whole number", node)
        return node.value

    def choice(self, key: str, allowed: Iterable[str], default: str | None = None) -> str:
        """One of a few words."""
        text = self.text(key, default)
        known = list(allowed)
        if text not in known:
            hint = did_you_mean(text, known) or f"one of {', '.join(known)}"
            raise self.fail(f"`{key}` cannot be `{text[:60]}`", self.optional(key), hint)
        return text

    def scalar(self, key: str) -> Any:
        """A text, number, boolean or null that stands there (the key itself is required)."""
        self.asked.add(key)
        node = self.node.value.get(key)
        if node is None:
            raise self.missing(key)
        return self.as_scalar(node, f"`{key}`")

    def anything(self, key: str) -> Any:
        """Whatever stands there, without positions (the key itself is required)."""
        self.asked.add(key)
        if key not in self.node.value:
            raise self.missing(key)
        return self.node.value[key].plain()

    def as_scalar(self, node: Node, what: str) -> Any:
        value = node.value
        if not isinstance(value, (str, int, float, bool, type(None))):
            raise self.fail(
                f"{what} must be text, a number, true, false or null", node, "put it in quotes"
            )
        if isinstance(value, float) and not math.isfinite(value):
            raise self.fail(f"{what} cannot be NaN or infinite", node)
        return value

    def mapping(self, key: str, *, optional: bool = False) -> dict[str, tuple[str, ...]]:
        """A map from names to one name or a list of at least one."""
        return {
            self.field(source, f"a key of `{key}`"): self.as_names(target, f"`{source.value[:60]}`")
            for source, target in self.pairs(key, optional=optional)
        }

    def field(self, node: Node, what: str) -> str:
        """The name of a field; null, which means keywords to pySigma, is none."""
        if node.value is None:
            hint = "keywords have no field, so they cannot be mapped; take this line out"
            raise self.fail(f"{what} is null", node, hint)
        return self.name(node, what)

    def pairs(self, key: str, *, optional: bool = False) -> list[tuple[Node, Node]]:
        """The key and value nodes of a map; required unless `optional`."""
        node = self.optional(key) if optional else self.required(key)
        if node is None:
            return []
        if not node.is_map:
            raise self.fail(f"`{key}` must be a map", node)
        return [((node.keys or {})[source], target) for source, target in node.value.items()]

    def regex(self, key: str) -> str:
        """An RE2 pattern."""
        node = self.required(key)
        return self.as_regex(node, f"`{key}`")

    def as_regex(self, node: Node, what: str) -> str:
        pattern = self.as_text(node, what)
        try:
            check_regex(pattern)
        except ModifierError as error:
            raise self.fail(error.message, node, error.hint) from None
        return pattern
