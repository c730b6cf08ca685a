"""Lines of programs, as `lines.yml` has them."""

from __future__ import annotations

from dataclasses import astuple
from pathlib import Path
from typing import Any

import pytest
import yaml

from sigmac.migration.live.live_settings import GoSide, SideSettings
from sigmac.migration.live.match_lines import read_line
from sigmac.runtime.errors import InputError

CASES = yaml.safe_load((Path(__file__).parent / "lines.yml").read_text("utf-8"))
SIDES = {
    "go": GoSide(topic="go", group="go"),
    "sigmac": SideSettings(topic="sigmac", group="sigmac"),
}
TOPICS = {"events": 2}


@pytest.mark.parametrize("case", CASES, ids=[each["says"] for each in CASES])
def test_a_line(case: dict[str, Any]) -> None:
    line, side = case["line"].encode(), SIDES[case["side"]]
    if "wrong" in case:
        with pytest.raises(InputError) as told:
            read_line(line, side, TOPICS)
        assert str(told.value) == case["wrong"]
    else:
        assert [list(astuple(each)) for each in read_line(line, side, TOPICS)] == case["found"]


def test_an_event_that_no_parser_takes() -> None:
    deep = b'{"a":' * 2000 + b"1" + b"}" * 2000
    line = (
        b'{"rule":{"id":"r","title":"T"},"source":{"partition":0,"offset":1},"event":' + deep + b"}"
    )
    (found,) = read_line(line, SIDES["sigmac"], {"events": 1})
    assert (found.offset, found.rule) == (1, "r")


def test_a_name_that_is_too_long() -> None:
    line = b'{"source": {"partition": 0, "offset": 1}, "ID": "%s"}' % (b"x" * 1001)
    with pytest.raises(InputError, match="the name of its rule is too long"):
        read_line(line, SIDES["go"], {"events": 1})


def test_names_of_the_users_own() -> None:
    side = SideSettings(
        topic="t", group="g", source="at.kafka", results="found.all", rule=("meta.rule_id",)
    )
    line = b'{"at": {"kafka": {"partition": 1, "offset": 4}}, "found": {"all": [{"meta": {"rule_id": "r"}}]}}'
    assert [list(astuple(each)) for each in read_line(line, side, TOPICS)] == [
        ["events", 1, 4, 0, "r", "r"]
    ]
