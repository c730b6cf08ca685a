"""The example and the page of the configuration tell the truth: every key, its type, its default, its meaning."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic.fields import FieldInfo

from sigmac.runtime.service.config.configuration import Settings, load_settings
from sigmac.runtime.service.config.mistakes import every_key

ROOT = Path(__file__).resolve().parents[5]
EXAMPLE = ROOT / "deploy" / "sigmac.example.yml"
PAGE = ROOT / "docs" / "configuration.md"


def uncommented(text: str) -> Any:
    """The example with every key that is commented out."""
    return yaml.safe_load(re.sub(r"(?m)^( *)#(?=[a-z-])", r"\1", text))


def general(values: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """All keys of a configuration by their general places, as `packs.NAME.path`, with their values."""
    if isinstance(values, list):
        for each in values:
            yield from general(each, f"{key}.N")
    elif isinstance(values, dict):
        known = {each for each in every_key(Settings) if each.rpartition(".")[0] == key}
        named = any(each.startswith(f"{key}.NAME.") for each in every_key(Settings))
        for name, value in values.items():
            below = f"{key}.NAME" if named else f"{key}.{name}" if key else name
            if below in known:
                yield below, value
            if below in known or named:
                yield from general(value, below)


VARIABLES = dict.fromkeys(("KAFKA_PASSWORD", "HTTP_TOKEN", "CONTROL_TOKEN", "WEBHOOK_TOKEN"), "x")


def test_the_example_is_right() -> None:
    settings = load_settings(EXAMPLE, VARIABLES)
    assert settings.kafka_properties()[0]["sasl.password"] == "x"


def test_the_example_has_every_key_and_says_the_defaults() -> None:
    found = dict(general(uncommented(EXAMPLE.read_text(encoding="utf-8"))))
    assert every_key(Settings).keys() - found.keys() == {
        f"source.{kind}.logsource.{key}"
        for kind in ("files", "stdin")
        for key in ("category", "service")
    }
    examples = {"state", "trusted_keys", "consumer", "producer", "properties", "headers"}
    for key, info in every_key(Settings).items():
        last = key.rpartition(".")[2]
        plain = isinstance(info.default, str | int | float | bool)
        if plain and last not in examples and key in found:
            assert (key, found[key]) == (key, info.default)


@pytest.mark.parametrize("source", ["kafka", "files", "stdin"])
@pytest.mark.parametrize("letters", ["kafka", "file"])
def test_every_alternative_of_the_example_is_right(
    source: str, letters: str, tmp_path: Path
) -> None:
    values = uncommented(EXAMPLE.read_text(encoding="utf-8"))
    values["source"] = {source: values["source"][source]}
    values["dead_letters"] = {letters: values["dead_letters"][letters]}
    if source == "kafka":
        for sink in ("file", "stdout", "webhook"):
            values["matches"].pop(sink, None)  # what may be held back goes to Kafka alone
        del values["matches"]["kafka"]["properties"]
        values["dead_letters"].get("kafka", {}).pop("properties", None)
    else:
        del values["workers"]
        del values["correlations"]["topic"]
    file = tmp_path / "sigmac.yml"
    file.write_text(yaml.safe_dump(values), encoding="utf-8")
    settings = load_settings(file, VARIABLES)
    assert settings.control
    assert settings.tracing


SCHEMA = Settings.model_json_schema()


def schemas(schema: dict[str, Any]) -> list[dict[str, Any]]:
    """What a value may be, one by one."""
    if "$ref" in schema:
        return schemas(SCHEMA["$defs"][schema["$ref"].rpartition("/")[2]])
    for union in ("anyOf", "oneOf"):
        if union in schema:
            return [each for branch in schema[union] for each in schemas(branch)]
    return [schema]


def schema_of(key: str) -> dict[str, Any]:
    found: dict[str, Any] = SCHEMA
    for part in key.split("."):
        if part in ("N", "NAME"):
            found = found["items" if part == "N" else "additionalProperties"]
        else:
            (found,) = (
                each["properties"][part]
                for each in schemas(found)
                if part in each.get("properties", {})
            )
    return found


def kind(schema: dict[str, Any]) -> str:
    """A type as the page says it."""
    given = [each for each in schemas(schema) if each.get("type") != "null"]
    if any("env" in each.get("properties", {}) for each in given):
        return "secret"
    if len(given) > 1:
        return " or ".join(sorted(kind(each) for each in given))
    (one,) = given
    if "const" in one:
        return f"`{one['const']}`"
    if "enum" in one:
        *most, last = (f"`{each}`" for each in one["enum"])
        return f"{', '.join(most)} or {last}"
    if one["type"] == "array":
        return f"list of {kind(one['items'])}s"
    if one["type"] == "object":
        named = one.get("additionalProperties")
        return f"names with {kind(named)}s" if named else "section"
    if one["type"] in ("integer", "number"):
        low = (
            f"{one['minimum']:g} to"
            if "minimum" in one
            else f"above {one['exclusiveMinimum']:g}, up to"
        )
        return f"{one['type']}, {low} {one['maximum']:,.12g}"
    return {"boolean": "true or false", "string": one.get("format", "text")}[one["type"]]


def default(info: FieldInfo) -> str:
    if info.is_required():
        return "required"
    given = info.get_default()
    if given is None or given in ((), {}):
        return "none"
    if isinstance(given, bool):
        return f"`{json.dumps(given)}`"
    if isinstance(given, str | int | float | Path):
        return f"`{given}`" if given != "" else "empty"
    return ""  # a section, whose keys have their defaults


def test_the_page_has_every_key() -> None:
    rows = [
        f"| `{key}` | {kind(schema_of(key))} | {default(info)} | {info.description} |"
        for key, info in every_key(Settings).items()
    ]
    written = re.findall(r"^\| `.*`.*\|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(written) == sorted(rows)


@pytest.mark.parametrize("page", [PAGE, PAGE.with_name("streams.md")], ids=lambda page: page.name)
def test_configurations_on_pages_are_right(page: Path, tmp_path: Path) -> None:
    written = re.findall(r"^```yaml\n(.*?)^```$", page.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    whole = [text for text in written if "packs:" in text and "source:" in text]
    assert whole
    file = tmp_path / "sigmac.yml"
    for text in whole:
        file.write_text(text, encoding="utf-8")
        load_settings(file, {})


def test_the_schema_describes_every_key() -> None:
    assert [key for key, info in every_key(Settings).items() if not info.description] == []
    text = json.dumps(SCHEMA)
    assert all(json.dumps(info.description) in text for info in every_key(Settings).values())
