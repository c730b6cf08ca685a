"""Which results are wanted, and what `sigmac run` makes of that."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from sigmac.cli import app
from sigmac.results.rule_choice import UnknownValueError, Wanted, choose
from sigmac.results.rule_of import RuleOf
from sigmac.runtime import Pack

CASES = yaml.safe_load((Path(__file__).parent / "choices.yml").read_text("utf-8"))


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["run", *map(str, arguments)], prog_name="sigmac")


def titles(done: Result) -> list[str]:
    return [json.loads(line)["rule"]["title"] for line in done.stdout.splitlines()]


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case["give"]))
def test_what_is_chosen(case: dict[str, Any], pack: Pack) -> None:
    wanted = Wanted(**case["give"])
    if "says" in case:
        with pytest.raises(UnknownValueError) as refused:
            choose(pack, wanted)
        assert f"{refused.value.option}: {refused.value}".startswith(case["says"])
        return
    choice = choose(pack, wanted)
    keys = [*range(len(pack.rules)), *(-1 - i for i in range(len(pack.correlations)))]
    rule_of = RuleOf(pack)
    shown = sorted(rule_of(key).title for key in keys if key not in choice.left_out)
    assert shown == sorted(case["shown"])
    assert choice.all_left_out is (not shown)


def test_all_are_results_unless_asked(pack_folder: Path, events: Path) -> None:
    done = run(pack_folder, events)
    assert titles(done) == [
        *("Certutil", "Logon Failed", "Brute Force", "Logon Failed"),
        *("Many Failed Logons", "[Odd] Rule"),
    ]
    assert "left out" not in done.stderr


def test_what_is_left_out_still_counts_for_correlations(pack_folder: Path, events: Path) -> None:
    for order in ("time", "arrival"):
        options = ("--min-level", "Critical", "--correlation-order", order)
        done = run(pack_folder, events, *options)
        assert done.exit_code == 0
        assert titles(done) == ["Many Failed Logons"]
        assert "5 records, 0 matches of 0 rules" in done.stderr
        assert "5 matches of 4 rules left out, as the options ask" in done.stderr
        assert "1 alert of 1 correlation" in done.stderr
    done = run(pack_folder, events, "--exclude-rule", "many*", "--level", "high,low")
    assert titles(done) == ["Certutil", "Logon Failed", "Brute Force", "Logon Failed"]
    assert "0 alerts of 0 correlations" in done.stderr


def test_options_that_leave_nothing_are_told(pack_folder: Path, events: Path) -> None:
    done = run(pack_folder, events, "--status", "test", "--min-level", "critical")
    assert (done.exit_code, done.stdout) == (0, "")
    assert "no rule of test is one that the options ask for" in done.stderr
    done = run(pack_folder, events, "--tag", "atack")
    assert done.exit_code == 2
    assert "no rule has the tag `atack`; did you mean `attack`?" in " ".join(done.stderr.split())


@pytest.mark.parametrize(
    ("options", "status"),
    [
        (["--fail-on-match"], 3),
        (["--fail-on-match", "critical"], 3),
        (["--fail-on-match=high", "--exclude-rule", "many*"], 3),
        (["--fail-on-match", "critical", "--exclude-rule", "many*"], 0),
        (["--fail-on-match", "--rule", "certutil", "--min-level", "critical"], 0),
        (["--fail-on-match=hgh"], 2),
    ],
)
def test_a_match_as_an_exit_status(
    options: list[str], status: int, pack_folder: Path, events: Path
) -> None:
    done = run(*options, pack_folder, events)  # the pack is no level
    assert done.exit_code == status, done.stderr


def test_a_failure_goes_before_a_match(pack_folder: Path, events: Path, tmp_path: Path) -> None:
    assert run("--fail-on-match", pack_folder, events, tmp_path / "missing").exit_code == 1
