"""`sigmac pipelines`: what is shipped, listed and shown."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from sigmac.cli.pipelines import pipelines
from sigmac.compiler.pipeline.shipped_pipelines import shipped
from sigmac.runtime.errors import InputError


def called(*arguments: str) -> str:
    done = CliRunner().invoke(pipelines, arguments, catch_exceptions=False)
    assert done.exit_code == 0
    return done.output


def test_all_are_listed_with_their_aliases() -> None:
    lines = called().splitlines()
    heads = [line.split()[0] for line in lines if line[0] != " "]
    assert heads == list(shipped())
    assert "also sysmon, windows-logsources" in called()
    listed = json.loads(called("--format", "json"))["pipelines"]
    assert [(each["name"], tuple(each["aliases"])) for each in listed] == [
        (each.name, each.aliases) for each in shipped().values()
    ]
    assert listed[0]["priority"] == 10


@pytest.mark.parametrize("name", ["windows", "sysmon"])
def test_a_file_is_shown(name: str) -> None:
    assert called("show", name).encode() == shipped()["windows"].contents()


def test_a_name_that_is_none_has_a_hint() -> None:
    with pytest.raises(InputError, match="did you mean `windows`"):
        called("show", "window")


def test_no_name_stands_for_two() -> None:
    names = [name for each in shipped().values() for name in (each.name, *each.aliases)]
    assert len(names) == len(set(names))
