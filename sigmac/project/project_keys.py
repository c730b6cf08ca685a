"""The keys of a project file, and what their values are."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum


class Kind(Enum):
    """What a value is, as a mistake is told."""

    FLAG = "true or false"
    NUMBER = "a whole number, 0 or more"
    TEXT = "a text"
    TEXTS = "a text or a list of texts"
    PATH = "the path of a file"
    PATHS = "a path or a list of paths"
    OUTPUT = "the path of a folder"  # in which files are made: that of the project file, or below
    PACK = "the path of a folder for the pack"  # which is replaced as a whole: below that of the project file
    PIPELINES = "the name of a pipeline, the path of one, or a list of these"
    LEVELS = "a table of codes with `error`, `warning`, `note` or `off`"
    NAMESPACES = "a list of namespaces, or a table of them with what may follow the dot"
    PLACEHOLDERS = "a table of texts, numbers, or lists of them"


SHARED: Mapping[str, Kind] = {
    "rules": Kind.PATHS,
    "events": Kind.PATHS,
    "pipelines": Kind.PIPELINES,
    "placeholders": Kind.PLACEHOLDERS,
    "strict-logsource": Kind.FLAG,
    "required": Kind.TEXTS,
    "levels": Kind.LEVELS,
    "tag-namespaces": Kind.NAMESPACES,
}
# The tables of commands: each key is an option of the command, or the argument BASE of `sigmac diff`. What names a
# key to sign with, or a file to write over, is left to who calls the command.
COMMANDS: Mapping[str, Mapping[str, Kind]] = {
    "check": {"strict": Kind.FLAG, "notes": Kind.FLAG},
    "build": {
        "output": Kind.PACK,
        "name": Kind.TEXT,
        "pack-version": Kind.TEXT,
        "logsource": Kind.TEXTS,
        "profile": Kind.PATH,
        "skip-errors": Kind.FLAG,
        "strict": Kind.FLAG,
        "verify": Kind.FLAG,
        "wheel": Kind.FLAG,
        "jobs": Kind.NUMBER,
    },
    "test": {
        "cases": Kind.PATHS,
        "require": Kind.FLAG,
        "skip-errors": Kind.FLAG,
        "logsource": Kind.TEXT,
        "timestamp-field": Kind.TEXTS,
        "jobs": Kind.NUMBER,
    },
    "run": {
        "min-level": Kind.TEXT,
        "status": Kind.TEXTS,
        "exclude-rule": Kind.TEXTS,
        "with": Kind.TEXTS,
        "logsource": Kind.TEXT,
        "timestamp-field": Kind.TEXTS,
        "select": Kind.TEXT,
    },
    "fields": {"fail-on": Kind.TEXTS, "logsource": Kind.TEXT, "select": Kind.TEXT},
    "coverage": {"attack": Kind.PATHS, "fail-on": Kind.TEXTS},
    "diff": {
        "base": Kind.TEXT,
        "fail-on": Kind.TEXTS,
        "logsource": Kind.TEXT,
        "select": Kind.TEXT,
    },
    "explain": {"timestamp-field": Kind.TEXTS},
    "new": {"output": Kind.OUTPUT, "author": Kind.TEXT, "corpus": Kind.PATHS},
}
