"""A configuration as it is written: YAML or TOML with variables of the environment over it, and where each key stands.

Scalars of YAML and of variables stay the text that the user wrote; the model makes numbers of them. So a password
`0123` stays four digits, and a pack may be called `no`.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from sigmac.runtime.errors import ConfigurationError
from sigmac.runtime.printable import escaped

Place = tuple[str | int, ...]

PREFIX = "SIGMAC_"
_MAX_FILE = 128 << 10  # bytes
_MAX_NODES = 20_000  # values of a YAML text, those behind aliases counted each time
_MAX_DEPTH = 32
# Variables of our prefix that are no keys: of other parts of the program, and those that Kubernetes and Docker set in
# every container for a service which is called sigmac.
_OTHERS = re.compile(
    rf"{PREFIX}(KERNELS|BUILD_KERNELS|CONSUMER|CACHE|CACHE_DIR|COMPLETE|CORPUS|UPDATE_GOLDEN|SOCKET|COMMAND"
    r"|(\w+_)?(SERVICE_(HOST|PORT(_\w+)?)|PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?))"
)
_PROPERTIES = ("properties", "consumer", "producer")
_PLAIN_TAGS = {
    f"tag:yaml.org,2002:{kind}"
    for kind in ("str", "int", "float", "bool", "null", "timestamp", "value", "merge", "map", "seq")
}


@dataclass(slots=True)
class Document:
    """`values` is plain data; `places` says for each key where it was written, as `sigmac.yml:12`."""

    name: str
    values: dict[str, Any] = field(default_factory=dict)
    places: dict[Place, str] = field(default_factory=dict)

    def where(self, place: Place) -> str:
        """Where a key was written, or the closest section around it that was."""
        around = (place[:end] for end in range(len(place), 0, -1))
        return next((self.places[each] for each in around if each in self.places), self.name)


def read_document(path: Path) -> Document:
    """The document of a YAML file, or TOML where the name ends in `.toml`.

    Raises `ConfigurationError` for what cannot be read or is neither.
    """
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_FILE + 1)
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror}") from None
    if len(data) > _MAX_FILE:
        raise ConfigurationError(f"{path}: larger than {_MAX_FILE >> 10} KiB")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{path}: byte {error.start} is no UTF-8 text") from None
    document = Document(str(path))
    if path.suffix == ".toml":
        document.values = _toml(text, path)
        return document
    try:
        values = _Yaml(document.places, str(path)).read(text)
    except ValueError as error:
        where, said = error.args
        place = f"{path}:{where}" if where else str(path)
        raise ConfigurationError(f"{place}: {escaped(said)}") from None
    if values is not None and not isinstance(values, dict):
        raise ConfigurationError(f"{path}: the configuration is not a mapping of keys")
    document.values = values or {}
    return document


def _toml(text: str, path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{path}: {escaped(str(error))}") from None
    except RecursionError:
        raise ConfigurationError(f"{path}: nested too deep") from None


class _Yaml:
    """Reads one YAML text. Every `ValueError` is raised with a line (or 0) and what is wrong.

    Only the text is parsed here, no object is constructed: tags that ask for one are refused. Aliases share a node, so
    that a bomb of them costs nothing until it is followed; the number of nodes that are followed is bounded.
    """

    def __init__(self, places: dict[Place, str], file: str):
        self._places = places
        self._file = file
        self._nodes = 0

    def read(self, text: str) -> Any:
        try:
            node = yaml.compose(text, Loader=yaml.SafeLoader)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark
            line = mark.line + 1 if mark is not None else 0
            said = error.problem or "not YAML"
            if "another document" in said:
                said = "a configuration is one document: leave out `---`"
            elif re.search(r"\b(alias|anchor|tag)\b", f"{error.context} {said}"):
                # What is quoted there may be a password.
                said = "a value that starts with `*`, `&` or `!` means something in YAML: quote it"
            raise ValueError(line, said) from None
        except yaml.YAMLError as error:
            raise ValueError(0, str(error).partition("\n")[0]) from None
        except RecursionError:
            raise ValueError(0, "nested too deep") from None
        return None if node is None else self._value(node, ())

    def _value(self, node: yaml.Node, place: Place) -> Any:
        line = node.start_mark.line + 1
        self._nodes += 1
        if self._nodes > _MAX_NODES:
            raise ValueError(line, f"more than {_MAX_NODES:,} values; does an alias repeat them?")
        if len(place) > _MAX_DEPTH:
            raise ValueError(line, "nested too deep")
        if node.tag not in _PLAIN_TAGS:
            raise ValueError(line, "a value that starts with `!` is a tag in YAML: quote it")
        self._places.setdefault(place, f"{self._file}:{line}")
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, place)
        if isinstance(node, yaml.SequenceNode):
            return [self._value(each, (*place, number)) for number, each in enumerate(node.value)]
        return None if node.tag.endswith(":null") else str(node.value)

    def _mapping(self, node: yaml.MappingNode, place: Place) -> dict[str, Any]:
        made: dict[str, Any] = {}
        for name, value in node.value:
            line = name.start_mark.line + 1
            if not isinstance(name, yaml.ScalarNode):
                raise ValueError(line, "a key is not text")
            key = str(name.value)
            if key in made:
                raise ValueError(line, f"the key `{key}` is given twice")
            self._places.setdefault((*place, key), f"{self._file}:{line}")
            made[key] = self._value(value, (*place, key))
        return made


def is_key(name: str) -> bool:
    """Whether a variable of the environment names a key of the configuration, rightly or wrongly."""
    return name.startswith(PREFIX) and not _OTHERS.fullmatch(name)


def overlay(document: Document, environment: Mapping[str, str]) -> Iterator[str]:
    """Put the values of the variables `SIGMAC_…` over those of the document; gives what is wrong with them.

    Two underscores lead into a section, `__0__` to the first item of a list. A value that starts with `[` or `{` is
    YAML. An empty variable counts as one that is not set.
    """
    for name in sorted(environment):
        value = environment[name]
        if not is_key(name) or not value:
            continue
        parts = name.removeprefix(PREFIX).split("__")
        if not all(parts):
            yield f"{name}: a part of the name is empty"
            continue
        where: dict[Place, str] = {}
        try:
            found = _Yaml(where, name).read(value) if value[0] in "[{" else value
            place = _put(document.values, parts, found)
        except ValueError as error:
            yield f"{name}: {error.args[-1]}"
            continue
        document.places = {
            each: said for each, said in document.places.items() if each[: len(place)] != place
        }
        document.places |= {(*place, *each): name for each in where} | {place: name}


def _put(values: Any, parts: list[str], value: Any) -> Place:
    """Set what `parts` name; gives the place. Raises `ValueError`."""
    place: list[str | int] = []
    for last, part in ((number == len(parts) - 1, part) for number, part in enumerate(parts)):
        key: str | int
        if isinstance(values, list):
            if not part.isdecimal() or int(part) > len(values):
                raise ValueError(
                    f"`{'.'.join(map(str, place))}` is a list of {len(values)}: "
                    "name an item by its number from 0"
                )
            key = int(part)
            if key == len(values):
                values.append({})
        else:
            key = _key(values, part, place[-1] if place else "")
            if last or not isinstance(values.get(key), (dict, list)):
                values[key] = {}
        place.append(key)
        if last:
            values[key] = value
        values = values[key]
    return tuple(place)


def _key(values: Mapping[str, Any], part: str, section: str | int) -> str:
    """The key that a part of a variable's name means: one that is there already, whatever its case and its dots."""
    for key in values:
        if re.sub(r"\W", "_", key).lower() == part.lower():
            return key
    return part.lower().replace("_", ".") if section in _PROPERTIES else part.lower()
