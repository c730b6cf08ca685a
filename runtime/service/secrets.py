"""Secrets in a configuration: given as text, by the name of an environment variable, or as a file's content."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema

_MAX_FILE = 64 << 10  # bytes


class Secret:
    """Text that no `repr`, log line, error or JSON shows; `reveal` gives it."""

    __slots__ = ("_text",)

    def __init__(self, text: str):
        self._text = text

    def reveal(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return "Secret(***)"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)

    @classmethod
    def resolve(cls, given: Any) -> Secret:
        """A secret from text, `{env: NAME}` or `{file: PATH}`.

        Raises `ValueError` that names the place, never the text.
        """
        if isinstance(given, Secret):
            return given
        if isinstance(given, bool):
            return cls(str(given).lower())
        if isinstance(given, (str, int, float)):
            return cls(str(given))
        if isinstance(given, Mapping) and set(given) == {"env"}:
            name = str(given["env"])
            if name not in os.environ:
                raise ValueError(f"the environment variable {name} is not set")
            return cls(os.environ[name])
        if isinstance(given, Mapping) and set(given) == {"file"}:
            path = Path(str(given["file"]))
            try:
                with path.open("rb") as file:
                    data = file.read(_MAX_FILE + 1)
            except OSError as error:
                raise ValueError(f"cannot read {path}: {error.strerror}") from None
            if len(data) > _MAX_FILE:
                raise ValueError(f"{path} is longer than {_MAX_FILE:,} bytes")
            return cls(data.decode("utf-8", "replace").strip())
        raise ValueError("a secret is text, {env: NAME} or {file: PATH}")

    @classmethod
    def __get_pydantic_core_schema__(cls, _: Any, __: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            cls.resolve,
            serialization=core_schema.plain_serializer_function_ser_schema(lambda _: "***"),
        )

    @classmethod
    def __get_pydantic_json_schema__(
        cls, _: CoreSchema, __: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        named = {"type": "string"}
        return {
            "anyOf": [
                {"type": ["string", "number", "boolean"]},
                *(
                    {
                        "type": "object",
                        "properties": {key: named},
                        "required": [key],
                        "additionalProperties": False,
                    }
                    for key in ("env", "file")
                ),
            ]
        }
