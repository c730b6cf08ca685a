"""Checks of one detection item: values that say more, or less, than their author thinks."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from sigmac.compiler.checks.logic import network
from sigmac.compiler.diagnostics.diagnostic import Diagnostic, Place
from sigmac.compiler.ir.values import (
    ANY,
    Alternatives,
    FieldRef,
    Network,
    Number,
    Part,
    Text,
    Value,
    parse_text,
)
from sigmac.compiler.syntax.modifiers.apply_modifiers import plain_number
from sigmac.compiler.syntax.modifiers.modifiers import PLACEMENTS
from sigmac.compiler.syntax.modifiers.placeholders import placeholders
from sigmac.compiler.syntax.rule import Item
from sigmac.runtime.scalar.folding import default_fold

ENCODINGS = frozenset({"base64", "base64offset", "wide", "utf16le", "utf16be", "utf16"})
_SHOWN = 60  # characters of a value in a message


def strings(item: Item) -> Iterator[tuple[str, Value, Place]]:
    """The values of an item that are Sigma strings: as written, as parsed, where."""
    if len(item.raw) != len(item.values) or "re" in item.modifiers:
        return  # a pipeline has changed the item
    for raw, value, place in zip(item.raw, item.values, item.places, strict=True):
        if isinstance(raw, str) and isinstance(value, (Text, Alternatives)):
            yield raw, value, place


def redundant_wildcards(item: Item) -> Iterator[Diagnostic]:
    """W_WILDCARD_REDUNDANT: a wildcard that the modifier adds anyway, or `**`."""
    front = not PLACEMENTS.isdisjoint(item.modifiers) and "startswith" not in item.modifiers
    back = not PLACEMENTS.isdisjoint(item.modifiers) and "endswith" not in item.modifiers
    for raw, _, place in strings(item):
        if "*" not in raw:
            continue
        parts = parse_text(raw)
        shown = raw[:_SHOWN]
        if len(parts) > 1 and ((front and parts[0] is ANY) or (back and parts[-1] is ANY)):
            names = " and ".join(f"`{name}`" for name in item.modifiers if name in PLACEMENTS)
            message = f"{names} adds the outer `*` of `{shown}` anyway"
            yield Diagnostic(
                "W_WILDCARD_REDUNDANT", message, place, r"remove it, or write `\*` for a star"
            )
        elif re.search(r"\*\*", re.sub(r"\\[*?\\]", "-", raw)) and len(parts) > 1:
            message = f"`**` in `{shown}` means the same as `*`"
            yield Diagnostic(
                "W_WILDCARD_REDUNDANT", message, place, r"write one, or `\*` for a star"
            )


def any_value(item: Item) -> Iterator[Diagnostic]:
    """W_ANY_VALUE and N_EXISTS: a value that every value of the field matches."""
    if item.field is None:
        return
    for raw, value, place in strings(item):
        forms = value.values if isinstance(value, Alternatives) else (value,)
        if not any(isinstance(form, Text) and form.parts == (ANY,) for form in forms):
            continue
        if not ENCODINGS.isdisjoint(item.modifiers):
            message = (
                f"`{raw[:_SHOWN]}` is too short: an encoded form is empty and matches any value"
            )
            yield Diagnostic("W_ANY_VALUE", message, place, "encode three bytes or more")
        elif item.modifiers:
            message = f"this matches every value that `{item.field[:_SHOWN]}` can have"
            hint = f"write `{item.field[:_SHOWN]}|exists: true` if that is meant"
            yield Diagnostic("W_ANY_VALUE", message, place, hint)
        else:
            message = f"`*` asks whether `{item.field[:_SHOWN]}` has a value, the empty one too"
            hint = f"`{item.field[:_SHOWN]}|exists: true` asks whether the field is there"
            yield Diagnostic("N_EXISTS", message, place, hint)


def placement_by_wildcards(item: Item) -> Iterator[Diagnostic]:
    """N_PLACEMENT: outer wildcards where a modifier says it more clearly."""
    if item.modifiers not in ((), ("cased",), ("all",)) or item.field is None:
        return
    for raw, value, place in strings(item):
        if "*" not in raw or not isinstance(value, Text):
            continue
        inner = [part for part in value.parts if part is not ANY]
        edges = (value.parts[0] is ANY, value.parts[-1] is ANY)
        if len(inner) == 1 and isinstance(inner[0], str) and any(edges):
            name = {
                (True, True): "contains",
                (True, False): "endswith",
                (False, True): "startswith",
            }[edges]
            message = f"`{raw[:_SHOWN]}` is what the modifier `{name}` is for"
            hint = f"write `{item.field[:_SHOWN]}|{name}:` and leave the outer `*` out"
            yield Diagnostic("N_PLACEMENT", message, place, hint)


# A path such as \Users\x\*.exe: the backslash before the star was meant to separate folders.
_PATH_STAR = re.compile(r"(?:^|[^\\])\\[\w ().%$-]+[\w)%$]\\\*")


def escaped_wildcards(item: Item) -> Iterator[Diagnostic]:
    r"""W_ESCAPED_WILDCARD: `\*` in a path, where the backslash was meant to be one."""
    for raw, _, place in strings(item):
        if r"\*" in raw and _PATH_STAR.search(raw):
            message = (
                rf"in `{raw[:_SHOWN]}` the `\*` is a literal star without a backslash before it"
            )
            hint = r"write `\\*` for a backslash and a wildcard, `\\\*` for a backslash and a star"
            yield Diagnostic("W_ESCAPED_WILDCARD", message, place, hint)


_UNC = re.compile(r"\\\\[\w.$-]+\\[\w.$-]")


_ESCAPED_NAME = re.compile(r"(?<!\\)(?:\\\\)*\\%([^%*?\\\s]+)%")


def placeholders_that_are_none(item: Item) -> Iterator[Diagnostic]:
    r"""W_EXPAND: under `expand` a value without placeholder, `\%name%`, or a name with blanks around it."""
    if "expand" not in item.modifiers:
        return
    for raw, value, place in strings(item):
        escaped = _ESCAPED_NAME.search(raw)
        blank = next((name for name in placeholders(value) if name != name.strip()), None)
        if blank is not None:
            message = f"`{raw[:_SHOWN]}` has a placeholder of the name `{blank[:_SHOWN]}`"
            hint = r"write `\%` for a percent sign that begins no placeholder"
        elif escaped is not None:
            message = rf"`\%{escaped[1][:_SHOWN]}%` is no placeholder: the backslash takes the percent sign for itself"
            hint = rf"write `\\%{escaped[1][:_SHOWN]}%` for a backslash and a placeholder"
        elif not placeholders(value):
            message = f"`{raw[:_SHOWN]}` has no placeholder, so `expand` has no effect"
            hint = "remove `expand`, or write a name between percent signs, as `%admins%`"
        else:
            continue
        yield Diagnostic("W_EXPAND", message, place, hint)


def lost_backslash(item: Item) -> Iterator[Diagnostic]:
    r"""W_LOST_BACKSLASH: `\\server\share`, which means one backslash in front."""
    for raw, _, place in strings(item):
        if raw.startswith("\\\\") and _UNC.match(raw) and "endswith" not in item.modifiers:
            message = rf"`{raw[:_SHOWN]}` begins with one backslash: `\\` stands for one"
            hint = r"write `\\\\` for the two of a network path, `\` for one"
            yield Diagnostic("W_LOST_BACKSLASH", message, place, hint)


def cased_without_letters(item: Item) -> Iterator[Diagnostic]:
    """W_CASED_NO_LETTER: `cased` where nothing has case."""
    if "cased" not in item.modifiers:
        return
    for raw, value, place in strings(item):
        if isinstance(value, Text) and raw.upper() == raw.lower() and not value.placeholders:
            message = f"`cased` has no effect: `{raw[:_SHOWN]}` has no upper and lower case"
            yield Diagnostic("W_CASED_NO_LETTER", message, place, "remove `cased`")


def yaml_traps(item: Item) -> Iterator[Diagnostic]:
    """W_YAML_VALUE: scalars that YAML 1.1 reads as something else than they look like."""
    if len(item.raw) != len(item.values) or "exists" in item.modifiers:
        return
    for raw, place in zip(item.raw, item.places, strict=True):
        # A plain scalar is as wide as it is written.
        if isinstance(raw, bool) and place.width != len(str(raw)):
            written = {(2, True): "on", (3, False): "off", (3, True): "yes", (2, False): "no"}
            said = written.get((place.width, raw), "this")
            message = f"YAML reads `{said}` as {str(raw).lower()}"
            hint = f"put it in quotes for the text, or write {str(raw).lower()}"
            yield Diagnostic("W_YAML_VALUE", message, place, hint)
        elif type(raw) is int and place.width != len(str(raw)):
            message = f"YAML reads this as the number {raw}"
            hint = f"put it in quotes for the text, or write {raw}"
            yield Diagnostic("W_YAML_VALUE", message, place, hint)
        elif isinstance(raw, str) and place.width == len(raw) and not item.modifiers:
            number = plain_number(raw)
            if number:
                message = f"YAML reads `{raw}` as a text, not as the number"
                hint = f"put it in quotes for the text, or write {number}"
                yield Diagnostic("W_YAML_VALUE", message, place, hint)


def compared_with_itself(item: Item) -> Iterator[Diagnostic]:
    """W_SELF_REFERENCE: `fieldref` to the item's own field."""
    for value, place in zip(item.values, item.places, strict=False):
        if isinstance(value, FieldRef) and value.field == item.field:
            message = f"`{item.field[:_SHOWN]}` is compared with itself"
            yield Diagnostic("W_SELF_REFERENCE", message, place, "name the other field")


def asks_for_array(item: Item) -> bool:
    """Whether an item asks for several whole values at once, which only an array can have."""
    return item.all and len(item.values) > 1 and set(item.modifiers) <= {"all", "cased", "neq"}


def all_of_whole_values(item: Item) -> Iterator[Diagnostic]:
    """N_ALL_WHOLE: `all` over whole values, where `contains` may be missing."""
    # Nested fields are those of JSON logs, in which arrays are usual.
    if item.field is None or "." in item.field or not asks_for_array(item):
        return
    if all(isinstance(value, Text) and value.literal is not None for value in item.values):
        message = f"`all` of whole values: only an array `{item.field[:_SHOWN]}` can have them all"
        hint = f"write `{item.field[:_SHOWN]}|contains|all` if it is one text"
        yield Diagnostic("N_ALL_WHOLE", message, item.place, hint)


def repeated_values(item: Item) -> Iterator[Diagnostic]:
    """W_VALUE_TWICE and N_VALUE_REDUNDANT: values of an item that another of its values makes
    redundant.
    """
    if len(item.values) < 2 or len(item.places) != len(item.values):
        return
    fold = default_fold()
    first: dict[tuple[object, ...], int] = {}
    literals: list[tuple[str, int]] = []
    for index, value in enumerate(item.tests):
        key: tuple[object, ...] = (type(value), value)
        if isinstance(value, Text):
            if not value.cased:
                folded = [fold(p) if isinstance(p, str) else p for p in value.parts]
                key = (Text, *folded)
            else:
                folded = list(value.parts)
            if (literal := _placed(item, folded)) is not None:
                literals.append((literal, index))
        elif isinstance(value, Number):
            key = (Number, value.value)
        before = first.setdefault(key, index)
        if before != index:
            same = item.raw[before : before + 1] == item.raw[index : index + 1]
            otherwise = "" if same else ", but for letter case"
            message = f"{_written(item, index)} stands here twice{otherwise}"
            hint = f"the first is in line {item.places[before].line}"
            yield Diagnostic("W_VALUE_TWICE", message, item.places[index], hint)
    yield from _covered(item, literals)
    yield from _covered_networks(item)


# So that hostile lists cost no more than a moment: characters compared, and networks of a list
_PAIR_COST = 20_000_000
MAX_NETWORKS = 300


def _placed(item: Item, parts: Sequence[Part]) -> str | None:
    """The literal that an item's placement surrounds with wildcards; None for anything else."""
    match parts:
        case (str() as literal, last) if last is ANY and "startswith" in item.modifiers:
            return literal
        case (first, str() as literal) if first is ANY and "endswith" in item.modifiers:
            return literal
        case (first, str() as literal, last) if first is ANY and last is ANY:
            return literal if "contains" in item.modifiers or item.field is None else None
    return None


def _covered(item: Item, literals: list[tuple[str, int]]) -> Iterator[Diagnostic]:
    """Literals that contain (or begin or end with) another: with OR the longer is redundant, with
    `all` the shorter.
    """
    if sum(len(text) for text, _ in literals) * len(literals) > _PAIR_COST:
        return
    covers = str.__contains__
    for name, test in (("startswith", str.startswith), ("endswith", str.endswith)):
        covers = test if name in item.modifiers else covers
    everything = "\n".join(text for text, _ in literals)
    redundant: dict[int, int] = {}  # and beside which value
    for short, index in literals:
        if everything.count(short) < 2:
            continue  # only in itself
        for long, other in literals:
            if len(long) > len(short) and covers(long, short):
                redundant.setdefault(*((index, other) if item.all else (other, index)))
    if redundant:
        one = min(redundant)
        message = f"{_written(item, one)} is redundant beside {_written(item, redundant[one])}"
        if len(redundant) > 1:
            message += f", and {len(redundant) - 1} more of this list beside others"
        hint = "remove it, if it is not kept for readers"
        yield Diagnostic("N_VALUE_REDUNDANT", message, item.places[one], hint)


def _covered_networks(item: Item) -> Iterator[Diagnostic]:
    networks = [network(value.cidr) for value in item.values if isinstance(value, Network)]
    if len(networks) != len(item.values) or len(networks) > MAX_NETWORKS or item.all:
        return
    for index, inner in enumerate(networks):
        for other, outer in enumerate(networks):
            if inner.version == outer.version and inner != outer and inner.subnet_of(outer):
                message = f"{_written(item, index)} lies in {_written(item, other)}"
                yield Diagnostic("N_VALUE_REDUNDANT", message, item.places[index], "remove it")
                return


def _written(item: Item, index: int) -> str:
    raw = item.raw[index] if index < len(item.raw) else item.values[index]
    return f"`{str(raw)[:_SHOWN]}`"


ITEM_CHECKS = (
    redundant_wildcards,
    any_value,
    placement_by_wildcards,
    escaped_wildcards,
    placeholders_that_are_none,
    lost_backslash,
    cased_without_letters,
    yaml_traps,
    compared_with_itself,
    all_of_whole_values,
    repeated_values,
)
