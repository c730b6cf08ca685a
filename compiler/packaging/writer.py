"""Writes and seals a pack: units → modules, tables, manifest; put in place in one step."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from sigmac import __version__
from sigmac.compiler.codegen.formatter import format_pieces, format_source
from sigmac.compiler.codegen.matchers import render_matchers
from sigmac.compiler.codegen.quoting import Code, identifier, literal, prose
from sigmac.compiler.codegen.tables import question_arrays, render_npz, span_array
from sigmac.compiler.codegen.templates import render
from sigmac.compiler.packaging.correlation_module import render_correlations
from sigmac.compiler.packaging.logsource_module import FILE, conditions, render_event_logsources
from sigmac.compiler.packaging.relations import Documents
from sigmac.compiler.packaging.replace import replacing
from sigmac.compiler.syntax.correlation import Correlation
from sigmac.runtime.errors import PackError
from sigmac.runtime.pack.seal import (
    FORMAT,
    MANIFEST,
    SIGNATURE,
    render_manifest,
    render_signature,
    sha256,
)

# Up to here a pack's conditions stand in one file, beyond in one module a logsource.
MAX_IN_ONE_MODULE = 50

# What may stand in the folder of a pack whose manifest is damaged, if it is to be replaced.
_OF_PACKS = {
    "__init__.py",
    "__pycache__",
    "conditions",
    "conditions.py",
    "correlations.json",
    "correlations.py",
    "event_logsources.py",
    "filters.json",
    "matchers.py",
    "native",
    "rules.py",
    "tables.npz",
    MANIFEST,
    SIGNATURE,
}

Plain = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Identity:
    """What a pack is called and what it was made of; `inputs` is a digest of everything that decides its content."""

    name: str
    version: str
    inputs: str
    options: Mapping[str, Any] = field(default_factory=dict)
    sources: Mapping[str, str] = field(default_factory=dict)  # source → sha256


@dataclass(slots=True)
class _Module:
    """One module of conditions: its rules and the logsource functions that they share."""

    file: str
    subject: str
    rules: list[int] = field(default_factory=list)
    guards: dict[str, str] = field(default_factory=dict)  # condition → function name


def render_pack(
    rules: Sequence[Plain],
    documents: Documents,
    identity: Identity,
    rare_fields: Sequence[str] = (),
) -> dict[str, bytes]:
    """Every file of a pack, name → bytes, the manifest included; the same for the same input.

    `rules` are rule units in the order that they shall have, `documents` the correlations and filters over them,
    `rare_fields` those whose values are long and hardly repeat, as a profile says.
    """
    linked = documents.linked
    wanted = [identifier(_called(each), "correlation") for each, _ in linked.correlations]
    taken = _names([*(rule["name"] for rule in rules), *wanted])
    names, correlations = taken[: len(rules)], taken[len(rules) :]
    modules = _modules(rules)
    files: dict[str, bytes] = {}
    layout = _Layout(rules, names, modules)
    for module, text in zip(modules, layout.sources, strict=True):
        files[module.file] = text.encode()
    if len(modules) > 1 or modules[0].file != "conditions.py":
        files["conditions/__init__.py"] = b'"""One module a logsource, one function a rule."""\n'
    metadata, spans = _metadata(rules, names)
    files["rules.py"] = metadata.encode()
    asked = [rule["questions"] for rule in rules]
    files["matchers.py"] = render_matchers(asked).encode()
    files[FILE] = layout.event_logsources.encode()
    told = conditions()
    files["__init__.py"] = _package(identity, len(rules)).encode()
    arrays = question_arrays(
        asked,
        rare_fields,
        [asked[rule] for rule in layout.logsource_rules],
        [each["questions"] for each in told],
    )
    arrays |= {
        "functions": span_array(layout.functions, 4),
        "headers": span_array([(header,) for header in layout.headers], 1).reshape(-1),
        "logsources": span_array(layout.logsources, 3),
        "metadata": span_array(spans, 2),
    }
    files["tables.npz"] = render_npz(arrays)
    if correlations:
        outlines = documents.outlines
        called = {id(each): name for each, name in zip(outlines, names, strict=True)}
        called |= {
            id(each): name
            for (each, _), name in zip(linked.correlations, correlations, strict=True)
        }
        meanings = {id(each): rule["meaning"] for each, rule in zip(outlines, rules, strict=True)}
        files["correlations.py"] = render_correlations(linked, called, meanings)
    silent = linked.silent
    others = documents.plain()
    for name, content in others.items():
        text = json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False)
        files[name] = f"{text}\n".encode()
    manifest = {
        "format": FORMAT,
        "sigmac": __version__,
        "name": identity.name,
        "version": identity.version,
        "inputs": identity.inputs,
        "options": dict(identity.options),
        "sources": dict(identity.sources),
        "counts": {
            "rules": len(rules),
            "logsources": len({tuple(rule["logsource"]) for rule in rules}),
            "literals": int(arrays["literals"].shape[0]),
            "correlations": len(correlations),
            **{name.removesuffix(".json"): len(content) for name, content in others.items()},
        },
        "rules": names,
        "correlations": correlations,
        "silent": [
            name
            for each, rule, name in zip(documents.outlines, rules, names, strict=True)
            if id(each) in silent or rule["only_counted"]
        ],
        "modules": [*(module.file for module in modules), FILE],
        "logsources": [[part or "" for part in rule["logsource"]] for rule in rules],
        "logsource_functions": layout.logsource_names,
        "logsource_fields": sorted(
            {name for rule in rules for name in rule["guard_fields"]}
            | {name for each in told for name in each["fields"]}
        ),
        "event_logsources": [each["logsource"] for each in told],
        "files": {name: sha256(data) for name, data in files.items()},
    }
    files[MANIFEST] = render_manifest(manifest)
    return files


def _called(correlation: Correlation) -> str:
    """What a correlation is called in the pack: its name, else its title."""
    return correlation.meta.name or correlation.meta.title


def _names(wanted: Iterable[str]) -> list[str]:
    """A distinct name for each rule and correlation."""
    seen: set[str] = set()
    numbers: dict[str, int] = {}  # the last one taken, so that rules of one title cost no search
    names = []
    for each in wanted:
        # The functions of a module that all its rules share are called so.
        base = name = f"rule_{each}" if each.startswith("logsource") else each
        number = numbers.get(base, 1)
        while name in seen:
            number += 1
            name = f"{base}_{number}"
        numbers[base] = number
        seen.add(name)
        names.append(name)
    return names


def _modules(rules: Sequence[Plain]) -> list[_Module]:
    if len(rules) <= MAX_IN_ONE_MODULE:
        only = _Module("conditions.py", "this pack", list(range(len(rules))))
        return [only]
    modules: dict[str, _Module] = {}
    for i, rule in enumerate(rules):
        file = f"conditions/{rule['module']}.py"
        modules.setdefault(file, _Module(file, rule["subject"])).rules.append(i)
    return [modules[file] for file in sorted(modules)]


class _Layout:
    """The source of every module of conditions, and on which lines what stands.

    `functions[i]`: module, first line, last line, logsource function of rule i; `logsources`: module, first, last; the
    last of them are those of `event_logsources.py`.
    """

    def __init__(self, rules: Sequence[Plain], names: Sequence[str], modules: Sequence[_Module]):
        self.sources: list[str] = []
        self.headers: list[int] = []
        self.functions: list[tuple[int, int, int, int]] = [(0, 0, 0, -1)] * len(rules)
        self.logsources: list[tuple[int, int, int]] = []
        self.logsource_names: list[str] = []
        self.logsource_rules: list[int] = []  # one rule of each
        self._guards = self._formatted_guards(rules, modules)
        for number, module in enumerate(modules):
            self._lay_out(number, module, rules, names)
        self.event_logsources, spans, head = render_event_logsources()
        self.headers.append(head)
        self.logsources += [(len(modules), *span) for span in spans]
        self.logsource_names += [each["name"] for each in conditions()]

    def _formatted_guards(
        self, rules: Sequence[Plain], modules: Sequence[_Module]
    ) -> dict[tuple[str, str], str]:
        pieces: dict[tuple[str, str], str] = {}
        for module in modules:
            conditions = {rules[i]["guard"]: rules[i] for i in module.rules if rules[i]["guard"]}
            for n, guard in enumerate(sorted(conditions), 1):
                name = "logsource" if n == 1 else f"logsource_{n}"
                module.guards[guard] = name
                pieces[module.file, guard] = render(
                    "logsource_function",
                    name=Code(name),
                    subject=prose(conditions[guard]["subject"]),
                    value=Code(guard),
                )
        return dict(zip(pieces, format_pieces(list(pieces.values())), strict=True))

    def _lay_out(
        self, number: int, module: _Module, rules: Sequence[Plain], names: Sequence[str]
    ) -> None:
        text = render(
            "conditions",
            subject=prose(module.subject),
            version=Code(__version__),
            count=len(module.rules),
        )
        lines = text.count("\n")
        self.headers.append(lines)
        pieces = [str(text)]
        numbers: dict[str | None, int] = {None: -1}
        for guard, name in module.guards.items():
            piece = self._guards[module.file, guard]
            numbers[guard] = len(self.logsources)
            self.logsources.append((number, lines + 3, lines + 2 + piece.count("\n")))
            self.logsource_names.append(name)
            self.logsource_rules.append(next(i for i in module.rules if rules[i]["guard"] == guard))
            pieces.append(f"\n\n{piece}")
            lines += 2 + piece.count("\n")
        for i in module.rules:
            rule = rules[i]
            piece = _renamed(rule, names[i], module.guards.get(rule["guard"] or ""))
            self.functions[i] = (
                number,
                lines + 3,
                lines + 2 + piece.count("\n"),
                numbers[rule["guard"]],
            )
            pieces.append(f"\n\n{piece}")
            lines += 2 + piece.count("\n")
        self.sources.append("".join(pieces))


def _renamed(rule: Plain, name: str, guard: str | None) -> str:
    """A rule's function under its final name, with the logsource function of its module."""
    text: str = rule["function"]
    if name != rule["name"]:
        text = text.replace(f"def {rule['name']}(", f"def {name}(", 1)
    if guard not in (None, "logsource"):
        asked = "    Asked of events for which {}() holds.\n"
        text = text.replace(asked.format("logsource"), asked.format(guard), 1)
    return text


def _metadata(rules: Sequence[Plain], names: Sequence[str]) -> tuple[str, list[tuple[int, int]]]:
    text = render("rules", version=Code(__version__))
    pieces, lines, spans = [str(text)], text.count("\n"), []
    for rule, name in zip(rules, names, strict=True):
        piece: str = rule["metadata"]
        if name != rule["name"]:
            piece = piece.replace(f"{rule['name']} = ", f"{name} = ", 1)
        spans.append((lines + 2, lines + 1 + piece.count("\n")))
        pieces.append(f"\n{piece}")
        lines += 1 + piece.count("\n")
    return "".join(pieces), spans


def _package(identity: Identity, count: int) -> str:
    return format_source(
        render(
            "package",
            name=prose(identity.name),
            pack_version=prose(identity.version),
            count=count,
            version=Code(__version__),
            name_literal=literal(identity.name),
            version_literal=literal(identity.version),
        )
    )


def write_pack(files: Mapping[str, bytes], folder: Path, sign: bytes | None = None) -> None:
    """Write a pack's files to a folder, in place of the pack that is there; all of it or nothing.

    `sign` is an Ed25519 private key in PEM. A link to a folder stays a link. Raises `PackError` where the folder
    holds something else, and `OSError` where it cannot be written; the previous pack is then untouched.
    """
    folder = folder.resolve()
    if folder.exists() and not _is_replaceable(folder):
        message = "exists and is no rule pack; choose another folder or remove it"
        raise PackError(f"{folder} {message}")
    content = dict(files)
    if sign is not None:
        content[SIGNATURE] = render_signature(files[MANIFEST], sign)
    try:
        with replacing(folder) as new:
            for name, data in content.items():
                path = new / name
                path.parent.mkdir(exist_ok=True)
                path.write_bytes(data)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(folder)) from error


def _is_replaceable(folder: Path) -> bool:
    """Whether a folder is empty or a pack: others have a `manifest.json` too."""
    if not folder.is_dir():
        return False
    names = {path.name for path in folder.iterdir()}
    if MANIFEST not in names:
        return not names
    try:
        manifest = orjson.loads((folder / MANIFEST).read_bytes())
    except (OSError, ValueError):
        return names <= _OF_PACKS  # a damaged pack
    return isinstance(manifest, dict) and "sigmac" in manifest and "files" in manifest
