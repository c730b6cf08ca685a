"""What a repository asks of its rules beyond the specification, and what it makes of what is said of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from sigmac.compiler.diagnostics.diagnostic import Diagnostic

OFF = "off"


@dataclass(frozen=True, slots=True)
class Conventions:
    """`required` are keys that rules and correlations must have, `tag_namespaces` those that are the repository's own,
    with patterns (`*` and `?`) of what may follow the dot, `levels` what it makes of warnings and notes: `"error"`,
    `"warning"`, `"note"` or `"off"`, by code. `replaced_tags` are tags in lower case, and those that replaced them.
    """

    required: tuple[str, ...] = ()
    tag_namespaces: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    levels: Mapping[str, str] = field(default_factory=dict)
    replaced_tags: Mapping[str, str] = field(default_factory=dict)

    def levelled(self, found: Iterable[Diagnostic]) -> Iterator[Diagnostic]:
        """Diagnostics with their levels; those that are off are left out."""
        for each in found:
            level = self.levels.get(each.code, "")
            if level != OFF:
                yield replace(each, level=level) if level else each

    def plain(self) -> list[object]:
        """What of it decides which errors and warnings there are, as JSON types."""
        return [list(self.required), {name: [*v] for name, v in self.tag_namespaces.items()}]


NO_CONVENTIONS = Conventions()
