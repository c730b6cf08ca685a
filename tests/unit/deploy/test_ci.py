"""What CI takes of this repository: hooks for pre-commit, an action for GitHub, a component for GitLab."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.unit.packs import rule

ROOT = Path(__file__).resolve().parents[3]
HOOKS = ROOT / ".pre-commit-hooks.yaml"
ACTION = ROOT / "deploy" / "ci" / "github" / "action.yml"
COMPONENT = ROOT / "templates" / "sigmac" / "template.yml"
CASES = "match: [{event: {A: x}}]\nno_match: [{event: {A: y}}]\n"


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository of one rule and its cases, with a commit."""
    root = tmp_path / "repository"
    (root / "rules" / "events").mkdir(parents=True)
    (root / "rules" / "r.yml").write_text(rule("s: {A: x}\ncondition: s", level="low"))
    (root / "rules" / "events" / "r.yml").write_text(CASES)
    for arguments in (["init", "--quiet"], ["add", "-A"], ["commit", "--quiet", "-m", "a"]):
        named = ("-c", "user.name=a", "-c", "user.email=a@b.example", "-c", "commit.gpgsign=false")
        subprocess.run(["git", *named, *arguments], cwd=root, check=True)
    return root


@pytest.fixture
def shell(repository: Path, tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs a script as a runner does: in bash, with `sigmac` on the path."""
    programs = tmp_path / "bin"
    programs.mkdir()
    command = programs / "sigmac"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m sigmac "$@"\n')
    command.chmod(0o755)
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("there is no bash")

    def run(script: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [bash, "--noprofile", "--norc", "-eo", "pipefail", "-c", script],
            cwd=repository,
            env={
                **os.environ,
                "PATH": f"{programs}:{os.environ['PATH']}",
                "PYTHONPATH": str(ROOT),
                "GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md"),
                **variables,
            },
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def action() -> Any:
    return yaml.safe_load(ACTION.read_text(encoding="utf-8"))


def component() -> tuple[Any, Any]:
    spec, job = yaml.safe_load_all(COMPONENT.read_text(encoding="utf-8"))
    return spec, job


# The formats


def test_the_hooks_are_what_pre_commit_reads(tool: Callable[..., str]) -> None:
    assert tool("pre-commit", "validate-manifest", str(HOOKS)) == ""


def test_the_action_is_what_github_reads(tool: Callable[..., str]) -> None:
    schema = ("--builtin-schema", "vendor.github-actions")
    assert tool("check-jsonschema", *schema, str(ACTION)) == ""


def test_the_component_is_what_gitlab_reads(tool: Callable[..., str], tmp_path: Path) -> None:
    spec, job = component()
    text = yaml.safe_dump(job)
    for name, given in spec["spec"]["inputs"].items():
        text = text.replace(f"$[[ inputs.{name} ]]", given.get("default") or "x")
    assert "$[[" not in text
    made = tmp_path / ".gitlab-ci.yml"
    made.write_text(text, encoding="utf-8")
    options = ("--builtin-schema", "vendor.gitlab-ci", "--data-transform", "gitlab-ci")
    assert tool("check-jsonschema", *options, str(made)) == ""


# What they do


def test_every_hook_names_a_command_and_its_options() -> None:
    from sigmac.cli import app

    for hook in yaml.safe_load(HOOKS.read_text(encoding="utf-8")):
        program, command, *options = hook["entry"].split()
        assert program == "sigmac"
        assert command in app.list_commands(
            app.make_context("sigmac", ["check"], resilient_parsing=True)
        )
        assert options in ([], ["--no-notes"], ["--fix"])


def steps(**given: str) -> tuple[str, dict[str, str]]:
    """The script of the action, and its variables with these inputs."""
    *_, step = action()["runs"]["steps"]
    inputs = {name: each.get("default", "") for name, each in action()["inputs"].items()}
    variables = {}
    for name, value in step["env"].items():
        key = value.removeprefix("${{ inputs.").removesuffix(" }}")
        variables[name] = {**inputs, **given}[key]
    return step["run"], variables


def test_the_action_checks_tests_compares_and_builds(
    shell: Callable[..., subprocess.CompletedProcess[str]], repository: Path, tmp_path: Path
) -> None:
    (repository / "rules" / "r.yml").write_text(rule("s: {A: x}\ncondition: s", level="high"))
    script, variables = steps(pack="out/pack", base="HEAD", options="--no-notes\n\n")
    done = shell(script, **variables)
    assert done.returncode == 0, done.stderr
    assert (repository / "out" / "pack" / "manifest.json").is_file()
    assert '"version": "2.1.0"' in (repository / "sigmac.sarif").read_text()
    assert "level: low → high" in (tmp_path / "summary.md").read_text()
    assert "2 cases of 1 rule: 2 passed" in done.stdout + done.stderr


def test_the_action_fails_with_a_rule_or_a_case(
    shell: Callable[..., subprocess.CompletedProcess[str]], repository: Path
) -> None:
    script, variables = steps(pack="out/pack")
    (repository / "rules" / "r.yml").write_text(rule("s: {A: z}\ncondition: s"))
    done = shell(script, **variables)
    assert done.returncode == 1
    assert "::error file=rules/events/r.yml,line=1" in done.stdout
    (repository / "rules" / "bad.yml").write_text("title: a\n")
    done = shell(script, **variables)
    assert done.returncode == 1
    assert "E_" in (repository / "sigmac.sarif").read_text()
    assert not (repository / "out").exists()


def test_what_is_given_to_the_action_is_never_run(
    shell: Callable[..., subprocess.CompletedProcess[str]], repository: Path
) -> None:
    hostile = "$(touch run)`touch run`;touch run"
    script, variables = steps(**dict.fromkeys(("pipelines", "options", "pack", "base"), hostile))
    shell(script, **variables)
    shell(script, **steps(rules=hostile)[1])
    assert not (repository / "run").exists()


def test_both_take_rules_and_pipelines_from_a_project_file(
    shell: Callable[..., subprocess.CompletedProcess[str]], repository: Path, tmp_path: Path
) -> None:
    (repository / "sigmac.toml").write_text('rules = "rules"\nplaceholders = {names = "x"}\n')
    (repository / "rules" / "r.yml").write_text(rule("s: {A|expand: '%names%'}\ncondition: s"))
    script, variables = steps(rules="", pack="out/pack", base="HEAD")
    done = shell(script, **variables)
    assert done.returncode == 0, done.stderr
    assert (repository / "out" / "pack" / "manifest.json").is_file()
    assert "git:HEAD → rules" in (tmp_path / "summary.md").read_text()
    script, variables = job_of_component(rules="")
    done = shell(script, **variables)
    assert done.returncode == 0, done.stderr


def job_of_component(**given: str) -> tuple[str, dict[str, str]]:
    """The script of the component, and its variables with these inputs."""
    spec, job = component()
    inputs = {name: each.get("default", "") for name, each in spec["spec"]["inputs"].items()}
    inputs |= given
    variables = {
        name: inputs.get(value.removeprefix("$[[ inputs.").removesuffix(" ]]"), value)
        for name, value in job["sigmac"]["variables"].items()
    }
    return "\n".join(job["sigmac"]["script"]), variables


def test_the_component_checks_tests_and_builds(
    shell: Callable[..., subprocess.CompletedProcess[str]], repository: Path
) -> None:
    script, variables = job_of_component()
    done = shell(script, **variables)
    assert done.returncode == 0, done.stderr
    assert (repository / "build" / "pack" / "manifest.json").is_file()
    assert (repository / "sigmac-quality.json").read_text().strip() == "[]"
    assert "<testsuite" in (repository / "sigmac-cases.xml").read_text()
    (repository / "rules" / "events" / "r.yml").write_text(CASES.replace("A: x", "A: q"))
    assert shell(script, **variables).returncode == 1
    assert "r.yml" in (repository / "sigmac-quality.json").read_text()
