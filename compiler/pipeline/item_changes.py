"""Transformations of whole detection items."""

from __future__ import annotations

from dataclasses import replace

from sigmac.compiler.ir.values import Text, parse_text
from sigmac.compiler.pipeline.conditions.parameters import Parameters
from sigmac.compiler.pipeline.conditions.plain_text import PlainText
from sigmac.compiler.pipeline.conditions.processing_run import Refusal, Run
from sigmac.compiler.pipeline.levels import ItemChange, weight
from sigmac.compiler.pipeline.placeholder_changes import filled
from sigmac.compiler.syntax.rule import AllOf, AnyOf, Detection, Item

_HASH_LENGTHS = {32: "MD5", 40: "SHA1", 64: "SHA256", 128: "SHA512"}


def drop_detection_item(given: Parameters) -> ItemChange:
    """The item is taken out of its selection."""
    return lambda item, run: None


def detection_item_failure(given: Parameters) -> ItemChange:
    """The rule is refused with `message` because of the item."""
    message = given.text("message")

    def change(item: Item, run: Run) -> Detection:
        raise Refusal(message, item.place)

    return change


def keyword_field(given: Parameters) -> ItemChange:
    """Keywords are asked of one `field`, which has the message, in place of all values of an event.

    The question is the same: a keyword that no modifier places stands anywhere in the text.
    """
    field = given.text("field")

    def change(item: Item, run: Run) -> Detection:
        if item.field is not None:
            return item
        values = tuple(filled(value, item, run) for value in item.values)
        run.mapped.add(field)
        return replace(item, field=field, values=replace(item, values=values).tests)

    return change


def hashes_fields(given: Parameters) -> ItemChange:
    """One item a hash algorithm in place of `Hashes: SHA1=…`.

    Values of algorithms outside `valid_hash_algos` are left out; where none is left, the rule is
    refused. The fields are named `field_prefix` and algorithm, with `drop_algo_prefix` by
    `field_prefix` alone. The items are ORed; ANDed under `all`.
    """
    algorithms = frozenset(given.names("valid_hash_algos"))
    prefix = given.text("field_prefix", "")
    bare = given.flag("drop_algo_prefix")
    fields = frozenset(given.optional_names("field_to_parse") or ("Hashes", "Hash"))
    if bare and not prefix:
        raise given.fail(
            "`drop_algo_prefix` needs a `field_prefix`", given.optional("drop_algo_prefix")
        )

    def change(item: Item, run: Run) -> Detection:
        if item.field not in fields or not all(isinstance(value, Text) for value in item.values):
            return item
        found: dict[str, list[int]] = {}
        hashes: list[Text] = []
        for index, value in enumerate(item.values):
            assert isinstance(value, Text)
            algorithm, digits = _algorithm_and_hash(PlainText(value.parts).text)
            hashes.append(Text(parse_text(digits, expand=bool(value.placeholders)), value.cased))
            if algorithm in algorithms:
                found.setdefault(prefix if bare else prefix + algorithm, []).append(index)
        if not found:
            message = f"`{item.field}` has no hash of {', '.join(sorted(algorithms))}"
            raise Refusal(message, item.place)
        run.charge(weight(hashes))
        made = tuple(
            replace(
                item,
                field=field,
                values=tuple(hashes[i] for i in indices),
                places=tuple(item.places[i] for i in indices) if item.places else (),
            )
            for field, indices in found.items()
        )
        if len(made) == 1:
            return made[0]
        if item.all:
            message = "hashes of several algorithms are all asked for, as `all` says; pySigma asks"
            run.differs(f"{message} for one of them", item.place)
        return AnyOf(made) if item.all is item.negated else AllOf(made)

    return change


def _algorithm_and_hash(text: str) -> tuple[str, str]:
    """Of `SHA1=…`, `SHA1|…` or a hash alone, which its length tells."""
    algorithm, _, digits = text.partition("|" if "|" in text else "=")
    if digits:
        return algorithm.lstrip("*").upper(), digits.strip("*?")
    alone = text.strip("*?")
    return _HASH_LENGTHS.get(len(alone), ""), alone
