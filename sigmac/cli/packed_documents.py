"""The rules and correlations of a pack that are to be explained: read from its code, none of which is run."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sigmac.cli.chosen_documents import with_those_below
from sigmac.runtime.errors import InputError, PackError
from sigmac.runtime.printable import escaped, shortened

if TYPE_CHECKING:
    from sigmac.cli.explained_rules import Piped
    from sigmac.compiler.diagnostics.diagnostic import Place
    from sigmac.runtime.correlation.definition import Correlation
    from sigmac.runtime.pack.contents import Contents

_MANIFEST = "manifest.json"


def split_pack(given: str) -> tuple[str, str] | None:
    """The pack and the rule in it that `PACK#ID` means, with the folder or name of a pack; None where it means none."""
    for at, char in enumerate(given):
        if char == "#" and _is_pack(given[:at]):
            return given[:at], given[at + 1 :]
    return None


def _is_pack(name: str) -> bool:
    """Whether a folder is that of a pack, or there is an installed pack of this name."""
    from sigmac.runtime.pack.finding import find_pack

    if os.path.exists(name):
        return os.path.isfile(os.path.join(name, _MANIFEST))
    try:
        return find_pack(name) != Path(name)
    except PackError:
        return False


@dataclass(frozen=True, slots=True)
class PackedDocuments:
    """What is meant of a pack: rules with their variants, and correlations by their names in the pack.

    `all_rules` and `definitions` are the rules that these stand on, and the correlations with those that they stand on.
    """

    rules: Sequence[Piped]
    correlations: dict[str, Place]
    all_rules: Mapping[str, Piped]
    definitions: Mapping[str, Correlation]

    def without_rules(self) -> PackedDocuments:
        return replace(self, rules=[])

    def without_correlations(self) -> PackedDocuments:
        return replace(self, correlations={})


def choose_packed(pack: str, wanted: str, trusted_keys: list[bytes] | None) -> PackedDocuments:
    """The rules and correlations of a pack with an id, title or name, as its code says them.

    Raises `InputError` where there is none, `PackError` where the pack does not verify.
    """
    from sigmac.compiler.diagnostics.diagnostic import Place
    from sigmac.compiler.meaning.rule_of_code import rule_of_code
    from sigmac.runtime.pack.contents import read_contents

    contents = read_contents(pack, trusted_keys)
    if contents.problem is not None:
        raise PackError(contents.problem)
    rules = [rule_of_code(each) for each in contents.rules if each.is_called(wanted)]
    written = contents.documents["correlations"]
    correlations = [each for each in written if _is_called(each, wanted)]
    if not rules and not correlations:
        raise InputError(_why_none(pack, wanted, contents))
    if not correlations:
        return PackedDocuments(rules, {}, {}, {})
    places = {each["function"]: Place(str(each.get("source", pack))) for each in correlations}
    defined = _definitions(contents)
    below = with_those_below(defined, places)
    definitions = {name: each for name, each in defined.items() if name in below}
    all_rules: dict[str, Piped] = {
        each.metadata["function"]: rule_of_code(each)
        for each in contents.rules
        if each.metadata["function"] in below
    }
    return PackedDocuments(rules, places, all_rules, definitions)


def _definitions(contents: Contents) -> dict[str, Correlation]:
    """The correlations of a pack, none of whose code is run. Raises `PackError` where one cannot be evaluated."""
    from sigmac.runtime.correlation.definition import Correlation, check_definitions

    found = {}
    for each in contents.documents["correlations"]:
        try:
            given = {key: value for key, value in each.items() if key != "function"}
            found[each["function"]] = Correlation(**given)
        except TypeError:
            raise PackError(
                f"{contents.folder}: `{shortened(each['title'], 80)}` is no correlation; build the pack again"
            ) from None
    try:
        check_definitions(found, contents.manifest["rules"])
    except PackError as error:
        raise PackError(f"{contents.folder}: {error}") from None
    return found


def _is_called(document: Mapping[str, Any], wanted: str) -> bool:
    names = (document["title"], document.get("name"), document["function"])
    return wanted in names or wanted.lower() == str(document.get("id", "")).lower()


def _why_none(pack: str, wanted: str, contents: Contents) -> str:
    from sigmac.compiler.diagnostics.diagnostic import did_you_mean

    titles = [str(each.metadata["title"]) for each in contents.rules]
    titles += [each["title"] for each in contents.documents["correlations"]]
    hint = did_you_mean(wanted, titles)
    message = f"{pack}: no rule has the id or title `{shortened(wanted, 80)}`"
    return f"{message}; {escaped(hint) or '`sigmac inspect --rules` lists them'}"
