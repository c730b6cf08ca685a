"""A rule of a pack that is to be explained: read from the pack's code, none of which is run."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sigmac.runtime.errors import InputError, PackError
from sigmac.runtime.printable import escaped, shortened

if TYPE_CHECKING:
    from sigmac.cli.chosen_documents import ChosenDocuments
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


def choose_packed(pack: str, wanted: str, trusted_keys: list[bytes] | None) -> ChosenDocuments:
    """The rules of a pack with an id, title or name, as its code says them.

    Raises `InputError` where there is none, `PackError` where the pack does not verify.
    """
    from sigmac.cli.chosen_documents import ChosenDocuments
    from sigmac.compiler.meaning.rule_of_code import rule_of_code
    from sigmac.runtime.pack.contents import read_contents

    contents = read_contents(pack, trusted_keys)
    if contents.problem is not None:
        raise PackError(contents.problem)
    rules = [rule_of_code(each) for each in contents.rules if each.is_called(wanted)]
    if not rules:
        raise InputError(_why_none(pack, wanted, contents))
    return ChosenDocuments(rules, [], [], [])


def _why_none(pack: str, wanted: str, contents: Contents) -> str:
    from sigmac.compiler.diagnostics.diagnostic import did_you_mean

    names: Sequence[str | None]
    for each in contents.documents["correlations"]:
        names = each["title"], each.get("name"), each["function"], (each.get("id") or "").lower()
        if wanted in names[:3] or (wanted and wanted.lower() == names[3]):
            return f"{pack}: `{shortened(wanted, 80)}` is a correlation; give its rule file instead"
    hint = did_you_mean(wanted, [str(each.metadata["title"]) for each in contents.rules])
    message = f"{pack}: no rule has the id or title `{shortened(wanted, 80)}`"
    return f"{message}; {escaped(hint) or '`sigmac inspect --rules` lists them'}"
