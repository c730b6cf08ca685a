"""What is wrong in a document that a model refuses: one line for each mistake, with its place and what was meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Sequence
from typing import Annotated, Any, Literal, TypeGuard, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails, InitErrorDetails, PydanticCustomError

from sigmac.runtime.service.config.layers import Document, Place

_MAX_TOLD = 100  # mistakes
# What pydantic says, where it speaks of Python
_WORDS = {
    "too_short": "should not be empty",
    "string_too_short": "should not be empty",
    "model_type": "should be a section with keys",
    "dict_type": "should be a section with keys",
    "tuple_type": "should be a list",
}


def refuse(mistakes: Iterable[tuple[Place, str]]) -> None:
    """Raise what a validator raises, where there are mistakes; each has its own place below the validator's."""
    # The text is a value of the message, as braces in the message itself would be taken for names of values.
    details = [
        InitErrorDetails(
            type=PydanticCustomError("refused", "{said}", {"said": said}), loc=place, input=None
        )
        for place, said in mistakes
    ]
    if details:
        raise ValidationError.from_exception_data("configuration", details, hide_input=True)


def tell(error: ValidationError, document: Document, model: type[BaseModel]) -> Iterator[str]:
    """Each mistake as `where it was written: key: what is wrong`, in the order of the model, at most a hundred."""
    mistakes = error.errors(include_url=False, include_input=False)
    around = {each["loc"][:end] for each in mistakes for end in range(len(each["loc"]))}
    # Where items of a list are wrong, that too few are left is no news.
    mistakes = [
        each for each in mistakes if each["type"] != "too_short" or each["loc"] not in around
    ]
    for each in mistakes[:_MAX_TOLD]:
        place = tuple(part for part in each["loc"] if not _is_branch(part))
        told = (document.where(place), ".".join(map(str, place)), _said(each, place, model))
        yield ": ".join(filter(None, told))
    if (more := len(mistakes) - _MAX_TOLD) > 0:
        yield f"and {more:,} more"


def _is_branch(part: str | int) -> bool:
    """Whether a part of a place is none of the document's, but tells which member of a union was meant."""
    return str(part).startswith("(") or part == "[key]"


def _said(mistake: ErrorDetails, place: Place, model: type[BaseModel]) -> str:
    if mistake["type"] == "extra_forbidden":
        return f"there is no such key{_key_hint(place, model)}"
    if mistake["type"] == "missing":
        said = [keys_of(kind)[str(place[-1])].description for kind in _models(place[:-1], model)]
        return f"this key is missing: {said[0]}"
    text = mistake["msg"].removeprefix("Value error, ").removeprefix("Input ")
    return _WORDS.get(mistake["type"]) or text.partition(", unable to")[0]


def hint(given: str, known: Iterable[str]) -> str:
    """The known word that is most like the given one, as the end of a sentence; empty where none is."""
    close = difflib.get_close_matches(given, sorted(known), 1)
    return f"; did you mean `{close[0]}`?" if close else ""


def _key_hint(place: Place, model: type[BaseModel]) -> str:
    """The key that a wrong one may mean: of its own section, or the same word elsewhere."""
    name = str(place[-1])
    known = [key for kind in _models(place[:-1], model) for key in keys_of(kind)]
    if found := hint(name.lower(), known):
        return found
    elsewhere = [key for key in every_key(model) if key.rpartition(".")[2] == name]
    return f"; did you mean `{elsewhere[0]}`?" if len(elsewhere) == 1 else ""


def _models(place: Sequence[str | int], model: type[BaseModel]) -> list[type[BaseModel]]:
    """The sections that a place of the document may be; none where there is no such place."""
    found: list[Any] = [model]
    for part in place:
        below: list[Any] = []
        for kind in found:
            if _is_model(kind):
                if part in keys_of(kind):
                    below += _plain_types(keys_of(kind)[str(part)].annotation)
            elif get_origin(kind) is dict:
                below += _plain_types(get_args(kind)[1])
            elif get_origin(kind) is tuple:
                below += _plain_types(get_args(kind)[0])
        found = below
    return [kind for kind in found if _is_model(kind)]


def _is_model(kind: Any) -> TypeGuard[type[BaseModel]]:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _plain_types(annotation: Any) -> Iterator[Any]:
    """The members of a union, without what `Annotated` adds."""
    origin = get_origin(annotation)
    if origin is Annotated:
        yield from _plain_types(get_args(annotation)[0])
    elif origin in (dict, tuple, Literal) or not get_args(annotation):
        yield annotation
    else:
        for each in get_args(annotation):
            yield from _plain_types(each)


def keys_of(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """The keys of one section as they are written: `for` is none that Python can have as a name."""
    return {info.alias or name: info for name, info in model.model_fields.items()}


def every_key(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """All keys by their places, as `packs.NAME.path` and `source.kafka.inputs.N.topics`, in the order of the model."""

    def below(kind: Any, place: str) -> Iterator[tuple[str, FieldInfo]]:
        if _is_model(kind):
            for name, info in keys_of(kind).items():
                key = f"{place}.{name}" if place else name
                yield key, info
                for each in _plain_types(info.annotation):
                    yield from below(each, key)
        elif get_origin(kind) in (dict, tuple):
            named = get_origin(kind) is dict
            for each in _plain_types(get_args(kind)[1 if named else 0]):
                yield from below(each, f"{place}.{'NAME' if named else 'N'}")

    return dict(below(model, ""))
