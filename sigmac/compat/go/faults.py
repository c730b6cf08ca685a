"""Why a rule is not evaluated, by kind: exceptions under one base, made of the compiler's diagnostics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sigmac.compiler.diagnostics.diagnostic import Diagnostic, Place
from sigmac.runtime.errors import SigmacError


class RuleFault(SigmacError):
    """A document that is left out.

    `path` is its file, `place` where in it the fault stands, `code` that of `docs/checks.md` (of a correlation
    `correlation`), `hint` how to mend it.
    """

    def __init__(self, code: str, message: str, place: Place, hint: str = ""):
        super().__init__(f"{place}: {code}: {message}" + (f"; {hint}" if hint else ""))
        self.code = code
        self.message = message
        self.place = place
        self.path = place.file
        self.hint = hint


class ParseYaml(RuleFault):
    """The file is no YAML, or what is in it cannot be a rule."""


class BulkParseYaml(SigmacError):
    """Several files that are no YAML; `faults` has each."""

    def __init__(self, faults: Sequence[ParseYaml]):
        super().__init__(f"{len(faults)} files are no YAML, the first: {faults[0]}")
        self.faults = tuple(faults)


class MissingDetection(RuleFault):
    """There is no detection, or it is no map."""


class EmptyDetection(RuleFault):
    """A search identifier, an item or a keyword without a value."""


class InvalidCondition(RuleFault):
    """There is no condition, it cannot be read, or it speaks of search identifiers that are not there."""


class InvalidDetection(RuleFault):
    """A search identifier, a modifier or a value that cannot stand where it stands."""


class InvalidRegex(RuleFault):
    """A regular expression that is none, or that needs backtracking."""


class Unsupported(RuleFault):
    """Sound, and nothing that one event alone can answer: an aggregation, a correlation; or not supported at all."""


CORRELATION = "correlation"
_KINDS: Mapping[type[RuleFault], tuple[str, ...]] = {
    ParseYaml: ("E_YAML", "E_YAML_DUP", "E_DOC_TYPE"),
    MissingDetection: ("E_DETECTION",),
    EmptyDetection: ("E_EMPTY",),
    InvalidCondition: ("E_CONDITION", "E_SELECTOR_EMPTY"),
    InvalidDetection: (
        "E_CIDR",
        "E_ENCODING",
        "E_IDENT",
        "E_MODIFIER",
        "E_MOD_CONFLICT",
        "E_PLACEHOLDER",
        "E_VALUE_TYPE",
    ),
    InvalidRegex: ("E_REGEX", "E_REGEX_UNSUPPORTED"),
    Unsupported: ("E_AGGREGATION", "E_ARRAY_MATCHING", CORRELATION),
}
_BY_CODE = {code: kind for kind, codes in _KINDS.items() for code in codes}


def fault_of(error: Diagnostic) -> RuleFault:
    """The fault that a diagnostic tells of; of a code that has no kind of its own a plain `RuleFault`."""
    kind = _BY_CODE.get(error.code, RuleFault)
    return kind(error.code, error.message, error.place, error.hint)


def correlation_fault(title: str, place: Place) -> Diagnostic:
    """What is said of a correlation."""
    message = f"`{title}` is a correlation, which one event alone cannot tell"
    return Diagnostic(CORRELATION, message, place, "`sigmac run` and `sigmac serve` evaluate it")
