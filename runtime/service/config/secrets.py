"""Secrets in a configuration: given as text, by the name of an environment variable, or as a file's content."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler, ValidationInfo
from pydantic_core import CoreSchema, core_schema

_MAX_FILE = 64 << 10  # bytes
_FORMS = "a secret is text, {env: NAME} or {file: PATH}"


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a configuration refers to: relative paths to `folder`, secrets to `environment`."""

    folder: Path
    environment: Mapping[str, str] = field(repr=False)

    @classmethod
    def of(cls, info: ValidationInfo) -> Surroundings:
        """Those that a validation was given, or the process's own."""
        given = info.context
        return given if isinstance(given, cls) else cls(Path(), os.environ)


class Secret:
    """Text that no `repr`, log line, error or JSON shows; `reveal` gives it."""

    __slots__ = ("_text",)

    def __init__(self, text: str):
        self._text = text

    def reveal(self) -> str:
        """The text itself."""
        return self._text

    def __repr__(self) -> str:
        return "Secret(***)"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)

    @classmethod
    def read(cls, given: Any, surroundings: Surroundings) -> Self:
        """A secret from text, `{env: NAME}` or `{file: PATH}`; ends of lines at a file's end are not part of it.

        Raises `ValueError` that names the variable or the file, never the text.
        """
        match given:
            case cls():
                return given
            case bool():
                return cls(str(given).lower())
            case str() | int() | float():
                return cls(str(given))
            case {"env": str(name), **rest} if not rest:
                if not (text := surroundings.environment.get(name)):
                    raise ValueError(f"the environment variable {name} is not set")
                return cls(text)
            case {"file": str(path), **rest} if not rest:
                return cls(_content(surroundings.folder / path))
        raise ValueError(_FORMS)

    @classmethod
    def _validate(cls, given: Any, info: core_schema.ValidationInfo[Any]) -> Self:
        return cls.read(given, Surroundings.of(info))

    @classmethod
    def __get_pydantic_core_schema__(cls, _: Any, __: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.with_info_plain_validator_function(
            cls._validate,
            serialization=core_schema.plain_serializer_function_ser_schema(lambda _: "***"),
        )

    @classmethod
    def __get_pydantic_json_schema__(
        cls, _: CoreSchema, __: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        said = {
            "env": "Name of the environment variable that holds the secret.",
            "file": "File that holds the secret.",
        }
        return {
            "anyOf": [
                {"type": ["string", "number", "boolean"]},
                *(
                    {
                        "type": "object",
                        "properties": {key: {"type": "string", "description": text}},
                        "required": [key],
                        "additionalProperties": False,
                    }
                    for key, text in said.items()
                ),
            ]
        }


def _content(path: Path) -> str:
    try:
        if not path.is_file():
            raise ValueError(f"there is no file {path}")
        with path.open("rb") as file:
            data = file.read(_MAX_FILE + 1)
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error.strerror}") from None
    if len(data) > _MAX_FILE:
        raise ValueError(f"{path} is larger than {_MAX_FILE >> 10} KiB: that is no secret")
    try:
        text = data.decode("utf-8").rstrip("\r\n")
    except UnicodeDecodeError:
        raise ValueError(f"{path} holds no UTF-8 text") from None
    if not text:
        raise ValueError(f"{path} is empty")
    return text


def bearer_token(header: str) -> str | None:
    """The token of an `Authorization` header, None where it has none; letter case says nothing (RFC 9110, 11.1)."""
    scheme, space, token = header.partition(" ")
    return token.lstrip(" ") if space and scheme.lower() == "bearer" else None
