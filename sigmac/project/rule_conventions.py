"""The conventions of a project, looked up in the table of codes."""

from __future__ import annotations

from sigmac.attack.attack_table import replaced_tags
from sigmac.compiler.diagnostics.catalogue import catalogue
from sigmac.compiler.diagnostics.conventions import Conventions
from sigmac.compiler.diagnostics.diagnostic import did_you_mean
from sigmac.project.project import Project, ProjectError

# Keys that a rule cannot be without, or that are none of its metadata
_NO_METADATA = frozenset({"detection", "correlation", "filter", "action", "cases"})


def conventions_of(project: Project) -> Conventions:
    """What a project asks of its rules. Raises `ProjectError` for codes that there are not, and for keys that are no
    metadata.
    """
    mistakes = []
    for key in sorted(_NO_METADATA.intersection(project.required)):
        where = project.where("required")
        mistakes.append(f"{where}: required: `{key}` is no key of a rule's metadata")
    for code in project.levels:
        if code not in catalogue():
            hint = did_you_mean(code, catalogue()) or "`sigmac check --list` has them"
            where = project.where("levels", code)
            mistakes.append(f"{where}: levels.{code}: there is no such check; {hint}")
    if mistakes:
        raise ProjectError("\n".join(mistakes))
    return Conventions(project.required, project.tag_namespaces, project.levels, replaced_tags())
