"""`sigmac inspect`: what is inside a pack."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.exceptions import Exit

from sigmac.cli import completion
from sigmac.cli.command import Argument, Command
from sigmac.cli.exit_status import ExitStatus
from sigmac.cli.options import Form, file_to_read, output_format, read_keys, say, wants_color
from sigmac.runtime.errors import InputError
from sigmac.runtime.printable import escaped, shortened

if TYPE_CHECKING:
    from rich.console import Console

    from sigmac.runtime.pack.contents import Contents, Function, PackedRule

EXAMPLE = """Examples:

  sigmac inspect build/windows --trusted-key release.pub.pem

  sigmac inspect build/windows --rules | grep critical

  sigmac inspect build/windows --rule 80167ada-7a12-41ed-b8e9-aa47195c66a1
"""
LEVELS = ("critical", "high", "medium", "low", "informational", "none")
MAX_LISTED = 20  # lines of a list in the overview; --format json has all
_LISTS = (
    "tags",
    "references",
    "falsepositives",
    "fields",
    "related",
    "scope",
    "filters",
    "variants",
)


@click.command(cls=Command, epilog=EXAMPLE)
@click.argument(
    "pack",
    cls=Argument,
    metavar="PACK",
    help="Folder or name of a rule pack.",
    shell_complete=completion.packs,
)
@click.option(
    "--trusted-key",
    multiple=True,
    type=file_to_read,
    metavar="FILE",
    help="The pack must be signed by this Ed25519 key. Repeatable.",
)
@click.option("--rules", is_flag=True, help="List the rules.")
@click.option("--rule", metavar="ID", help="Show the rule of this id or title, and its code.")
@output_format
def inspect(
    pack: str, trusted_key: tuple[Path, ...], rules: bool, rule: str | None, form: Form
) -> None:
    """Show what a pack holds and whether it verifies; none of its code is run.

    Exit status 1 where the pack does not verify.
    """
    from sigmac.runtime.pack.contents import read_contents

    if rules and rule is not None:
        raise click.BadParameter("give one of --rules and --rule", param_hint="--rules")
    contents = read_contents(pack, read_keys(trusted_key))
    packed = contents.rules
    chosen = [each for each in packed if rule is not None and each.is_called(rule)]
    if rule is not None and not chosen and contents.problem is None:
        wanted = shortened(rule, 80)
        raise InputError(f"{pack}: no rule has the id or title `{wanted}`; --rules lists them")
    if form is Form.json:
        report = _description(contents, packed)
        if rules:
            report["rules"] = [_summary(each) for each in packed]
        elif rule is not None:
            report["rules"] = [_detail(each) for each in chosen]
        print(json.dumps(report, indent=2))
    elif rules:
        _print_list(packed)
    elif rule is not None:
        _print_rules(chosen)
    else:
        _print_overview(_description(contents, packed))
    if contents.problem is not None:
        sys.stdout.flush()
        say(f"sigmac: NOT VERIFIED: {escaped(contents.problem)}")
        raise Exit(ExitStatus.FAILED)


# As JSON


def _description(contents: Contents, rules: Iterable[PackedRule]) -> dict[str, Any]:
    """The pack as JSON types; `docs/inspect.md` describes it.

    What does not verify may hold anything: each value is left out that has not the type it should.
    """
    manifest = contents.manifest
    options = _of_type(manifest.get("options"), dict, {})
    counts = _of_type(manifest.get("counts"), dict, {})
    signature = contents.signature
    levels = Counter(str(each.metadata.get("level", "none")) for each in rules)
    fields = Counter(field for each in rules for field in each.fields)
    return {
        "version": 1,
        "path": str(contents.folder),
        "name": _of_type(manifest.get("name"), str),
        "pack_version": _of_type(manifest.get("version"), str),
        "format": _of_type(manifest.get("format"), int),
        "sigmac": _of_type(manifest.get("sigmac"), str),
        "verified": contents.problem is None,
        "problem": contents.problem,
        "signature": signature
        and {"key": signature.key, "valid": signature.valid, "trusted": signature.trusted},
        "options": {
            "pipelines": _texts(options.get("pipelines")),
            "logsources": [
                {str(key): str(value) for key, value in each.items()}
                for each in _of_type(options.get("logsources"), list, [])
                if isinstance(each, dict)
            ],
            "optimize": _of_type(options.get("optimize"), bool),
            "strict_logsource": _of_type(options.get("strict_logsource"), bool),
        },
        "counts": {key: value for key, value in counts.items() if isinstance(value, int)},
        "sources": len(_of_type(manifest.get("sources"), dict, {})),
        "files": len(_of_type(manifest.get("files"), dict, {})),
        "bytes": sum(map(len, contents.files.values())),
        "logsources": [
            {"product": p or None, "category": c or None, "service": s or None, "rules": count}
            for (p, c, s), count in _most(contents.logsources())
        ],
        "levels": {level: levels[level] for level in LEVELS if levels[level]},
        "fields": [{"field": field, "rules": count} for field, count in _most(fields)],
        "correlations": contents.documents.get("correlations", []),
        "filters": contents.documents.get("filters", []),
    }


def _of_type(value: Any, kind: type, default: Any = None) -> Any:
    return value if type(value) is kind else default


def _texts(value: Any) -> list[str]:
    return [each for each in _of_type(value, list, []) if isinstance(each, str)]


def _most(counted: Counter[Any]) -> list[tuple[Any, int]]:
    return sorted(counted.items(), key=lambda pair: (-pair[1], pair[0]))


def _summary(rule: PackedRule) -> dict[str, Any]:
    meta = rule.metadata
    found = {key: meta.get(key) for key in ("id", "level", "title", "logsource", "source")}
    return found | {"filters": meta.get("filters", ())}


def _detail(rule: PackedRule) -> dict[str, Any]:
    shared = rule.logsource_function
    metadata = {key: value for key, value in rule.metadata.items() if key != "function"}
    return {
        "metadata": metadata,
        "fields": sorted(rule.fields),
        "function": _plain_function(rule.function),
        "logsource_function": None if shared is None else _plain_function(shared),
    }


def _plain_function(function: Function) -> dict[str, Any]:
    return {"path": str(function.path), "line": function.line, "source": function.source}


# As text


def _console() -> Console:
    from rich.console import Console

    return Console(
        highlight=False,
        markup=False,
        emoji=False,
        soft_wrap=True,
        color_system="auto" if wants_color(sys.stdout) else None,
    )


def _print_overview(pack: Mapping[str, Any]) -> None:
    console = _console()
    name = " ".join(escaped(pack[key] or "?") for key in ("name", "pack_version"))
    console.print(f"{escaped(pack['path'])}: {name}", style="bold")
    for label, text, style in _properties(pack):
        console.print(f"  {label:<11}", end="", style="dim")
        console.print(text, style=style)
    logsources = [
        (
            "/".join(filter(None, (each["product"], each["category"], each["service"]))),
            each["rules"],
        )
        for each in pack["logsources"]
    ]
    fields = [(each["field"] or "(keywords)", each["rules"]) for each in pack["fields"]]
    _print_counts(console, "rules by level", list(pack["levels"].items()))
    _print_counts(console, "rules by logsource", logsources)
    _print_counts(console, "rules by field that they ask for", fields)
    for kind in ("correlations", "filters"):
        _print_documents(console, kind, pack[kind])


def _properties(pack: Mapping[str, Any]) -> Iterable[tuple[str, str, str]]:
    """Label, text and style of each line below the name."""
    if pack["verified"]:
        yield "verified", "yes, every file is as it was built", "green"
    else:
        yield "verified", f"NOT VERIFIED: {escaped(pack['problem'])}", "bold red"
    yield "signed", *_signed(pack["signature"])
    sources = f"{_number(pack['sources'], 'file')} of rules"
    made = f"by sigmac {escaped(pack['sigmac'] or '?')} in format {pack['format'] or '?'}"
    yield "made", f"{made} from {sources}", ""
    options = pack["options"]
    yield "pipelines", escaped(", ".join(options["pipelines"])) or "none", ""
    for each in options["logsources"]:
        only = ", ".join(f"{key}={value}" for key, value in each.items())
        yield "only", f"rules of {escaped(only)}", ""
    if options["optimize"] is False:
        yield "optimizer", "off", ""
    if options["strict_logsource"]:
        yield "strict", "a pipeline maps the logsource of every rule", ""
    if pack["counts"]:
        yield "holds", _counted(pack["counts"]), ""
    if pack["verified"]:
        yield "size", f"{pack['bytes'] / 1e6:,.1f} MB in {_number(pack['files'], 'file')}", ""


def _signed(signature: Mapping[str, Any] | None) -> tuple[str, str]:
    if signature is None:
        return "no", ""
    key = signature["key"]
    if signature["valid"] is None:
        return f"by {key}, not checked: that needs sigmac[signing]", "yellow"
    if not signature["valid"]:
        return f"in the name of {key}, WRONGLY", "bold red"
    if signature["trusted"]:
        return f"by {key}, which is trusted", "green"
    return f"by {key}, which --trusted-key did not name", ""


def _counted(counts: Mapping[str, int]) -> str:
    words = (
        ("rules", "rule", ""),
        ("logsources", "logsource", ""),
        ("literals", "text", ""),
        ("correlations", "correlation", ""),
        ("filters", "filter", ""),
    )
    return ", ".join(
        _number(counts[key], word) + remark for key, word, remark in words if key in counts
    )


def _number(count: int, word: str) -> str:
    return f"{count:,} {word}{'' if count == 1 else 's'}"


def _print_counts(console: Console, heading: str, counted: list[tuple[str, int]]) -> None:
    if not counted:
        return
    console.print(f"\n{heading}", style="bold")
    for name, count in counted[:MAX_LISTED]:
        console.print(f"  {count:>7,}  {shortened(name, 100)}")
    if len(counted) > MAX_LISTED:
        console.print(f"           and {len(counted) - MAX_LISTED:,} more (--format json has all)")


def _print_documents(console: Console, kind: str, documents: list[dict[str, Any]]) -> None:
    if not documents:
        return
    console.print(f"\n{kind}", style="bold")
    for each in documents:
        rules = [each["rules"]] if isinstance(each["rules"], str) else each["rules"]
        what = " ".join((each.get("type", ""), "of", ", ".join(rules))).strip()
        console.print(f"  {shortened(each['title'], 100)}: {shortened(what, 200)}")


def _print_list(rules: Iterable[PackedRule]) -> None:
    """One line a rule, to be read and to be searched."""
    console = _console()
    for rule in rules:
        meta = rule.metadata
        head = f"{escaped(meta.get('id') or '-'):<36}  {escaped(meta.get('level') or '-'):<13}"
        title = shortened(meta["title"], 200)
        console.print(f"{head}  {title}  {_logsource(meta)}  {escaped(meta['source'])}")


def _logsource(metadata: Mapping[str, Any]) -> str:
    given = metadata["logsource"]
    parts = (given.get(key) for key in ("product", "category", "service"))
    return escaped("/".join(part for part in parts if part))


def _print_rules(rules: Iterable[PackedRule]) -> None:
    console = _console()
    for number, rule in enumerate(rules):
        if number:
            console.print()
        _print_metadata(console, rule)
        for function in filter(None, (rule.logsource_function, rule.function)):
            console.print(f"\n{escaped(str(function.path))}:{function.line}", style="bold")
            _print_source(console, function)


def _print_metadata(console: Console, rule: PackedRule) -> None:
    metadata = dict(rule.metadata)
    console.print(shortened(metadata.pop("title"), 1000), style="bold")
    metadata["logsource"] = _logsource(metadata)
    for key, value in metadata.items():
        texts = [value]
        if key in _LISTS:
            texts = [" ".join(each) if isinstance(each, tuple) else each for each in value]
        elif isinstance(value, str):
            texts = value.rstrip("\n").split("\n")
        for line, text in enumerate(texts):
            console.print(f"  {key if not line else '':<16}", end="", style="dim")
            console.print(shortened(str(text), 1000))
    asked = ", ".join(field or "(keywords)" for field in sorted(rule.fields))
    console.print(f"  {'asks for':<16}", end="", style="dim")
    console.print(shortened(asked, 1000))


def _print_source(console: Console, function: Function) -> None:
    # What the compiler wrote is printable; what somebody else sealed may hide a line by the controls in it.
    source = "\n".join(map(escaped, function.source.split("\n")))
    if console.color_system is None:
        console.print(source, end="")
        return
    from rich.syntax import Syntax

    code = Syntax(source, "python", background_color="default", word_wrap=True)
    console.print(code, soft_wrap=False)
