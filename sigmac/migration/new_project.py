"""The files with which a repository of rules goes on: project file, pipeline, service, CI, and the report."""

from __future__ import annotations

import json
import os
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from sigmac.migration.assessment import Assessment
from sigmac.migration.go_configuration import GoConfiguration
from sigmac.migration.migration_page import page
from sigmac.runtime.errors import ConfigurationError

REPORT = "REPORT.md"
_PIPELINE = "pipeline.yml"
_INSTALL = 'python -m pip install --quiet "sigmac[compiler] @ git+https://HOST/GROUP/sigmac@TAG"'
_FOR = {
    "sigmac.toml": "where the rules lie and what they are compiled with, for every command",
    _PIPELINE: "the names of fields, and the field that keywords are searched in",
    "service.yml": "the service that evaluates the events; `sigmac config check service.yml` checks it",
    "ci/github.yml": "a workflow for `.github/workflows`; fill in HOST/GROUP and TAG, add `sigmac test` with cases",
    "ci/gitlab.yml": "the same for GitLab",
    "ci/pre-commit.yaml": "hooks; call it `.pre-commit-config.yaml`",
}


def check_new(folder: Path) -> None:
    """Raises `ConfigurationError` where something is there already."""
    if folder.is_symlink() or (
        folder.exists() and not (folder.is_dir() and not any(folder.iterdir()))
    ):
        raise ConfigurationError(f"{folder}: this is there already; name a new folder")


def write_project(
    folder: Path, directories: Sequence[str], given: GoConfiguration, found: Assessment
) -> list[Path]:
    """Write the files into a new folder; their paths. Raises `ConfigurationError` where something is there already."""
    check_new(folder)
    content = dict(_files(folder, directories, given))
    content[REPORT] = page(found, [(name, _FOR[name]) for name in content])
    written = []
    for name, text in content.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
        written.append(path)
    return written


def _files(
    folder: Path, directories: Sequence[str], given: GoConfiguration
) -> Iterator[tuple[str, str]]:
    places = [_relative(each, folder) for each in directories]
    pipeline = pipeline_of(given)
    yield "sigmac.toml", _project(places, given, with_pipeline=bool(pipeline))
    if pipeline:
        yield _PIPELINE, _yaml(pipeline)
    yield "service.yml", _yaml(_service(given, folder))
    root = _repository(folder)
    inside = _relative(folder, root)
    yield "ci/github.yml", _yaml(_github(inside))
    yield "ci/gitlab.yml", _yaml(_gitlab(inside))
    rules = [_relative(each, root) for each in directories]
    yield "ci/pre-commit.yaml", _yaml(_hooks(rules, [f"{inside}/{_PIPELINE}"] if pipeline else []))


def _relative(path: str | Path, folder: Path) -> str:
    return Path(os.path.relpath(path, folder)).as_posix()


def _project(places: Sequence[str], given: GoConfiguration, *, with_pipeline: bool) -> str:
    lines = [f"rules = {json.dumps(places)}"]
    if with_pipeline:
        lines.append(f'pipelines = ["{_PIPELINE}"]')
    lines += ["", "[build]", 'output = "build/rules"']
    if not given.fail:
        lines += [
            "# As the Go engine does: a rule with an error leaves out itself alone.",
            "skip-errors = true",
        ]
    return "\n".join(lines) + "\n"


def pipeline_of(given: GoConfiguration) -> dict[str, Any]:
    """The pipeline that does what the program's events do; empty where they do nothing."""
    changes: list[dict[str, Any]] = []
    if given.fields:
        changes.append({"type": "field_name_mapping", "mapping": dict(given.fields)})
    if given.keywords:
        changes.append({"type": "keyword_field", "field": given.keywords})
    return {"name": "events of the Go program", "transformations": changes} if changes else {}


def _service(given: GoConfiguration, folder: Path) -> dict[str, Any]:
    source: dict[str, Any] = {"stdin": {"pack": "rules"}}
    if given.files:
        paths = [os.path.abspath(each) for each in given.files]
        source = {"files": {"paths": paths, "follow": True, "pack": "rules"}}
    elif given.topics:
        source = {
            "kafka": {
                "properties": {
                    "bootstrap.servers": given.brokers,
                    # A group of its own: both programs get every event.
                    "group.id": f"{given.group or 'rules'}-sigmac",
                },
                "inputs": [{"topics": list(given.topics), "pack": "rules"}],
            }
        }
    return {
        "name": "sigmac",
        "state": "state",
        "packs": {"rules": {"path": "build/rules"}},
        "source": source,
        "matches": {"file": {"path": "matches.ndjson"}},
        "dead_letters": {"file": {"path": "dead-letters.ndjson"}},
    }


def _github(inside: str) -> dict[str, Any]:
    steps: list[dict[str, Any]] = [
        {"uses": "actions/checkout@v4"},
        {"uses": "actions/setup-python@v5", "with": {"python-version": "3.13"}},
        {"run": _INSTALL, "env": {"SIGMAC_BUILD_KERNELS": "off"}},
        {"run": "sigmac check"},
        {"run": "sigmac build"},
    ]
    job = {"runs-on": "ubuntu-latest", "steps": steps}
    where = {"run": {"working-directory": inside}}
    return {
        "name": "rules",
        "on": ["push", "pull_request"],
        "defaults": where,
        "jobs": {"rules": job},
    }


def _gitlab(inside: str) -> dict[str, Any]:
    return {
        "rules": {
            "image": "python:3.13",
            "variables": {"SIGMAC_BUILD_KERNELS": "off"},
            "script": [
                f"cd {shlex.quote(inside)}",
                _INSTALL,
                "sigmac check",
                "sigmac build",
            ],
            "artifacts": {"paths": [f"{inside}/build/rules"]},
        }
    }


def _hooks(rules: Sequence[str], pipelines: Sequence[str]) -> dict[str, Any]:
    hook: dict[str, Any] = {
        "id": "sigmac-check",
        "args": [f"--pipeline={each}" for each in pipelines],
    }
    if not any(each.startswith(".") for each in rules):  # else they may lie anywhere
        hook["files"] = f"^({'|'.join(map(re.escape, rules))})/"
    return {"repos": [{"repo": "https://HOST/GROUP/sigmac", "rev": "TAG", "hooks": [hook]}]}


def _repository(folder: Path) -> Path:
    """The folder of the repository that a new folder is made in, else the one above it."""
    above = Path(os.path.abspath(folder)).parent
    return next((each for each in (above, *above.parents) if (each / ".git").exists()), above)


def _yaml(content: Mapping[str, Any]) -> str:
    return str(yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=100))
