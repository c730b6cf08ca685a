"""Checks of what a rule says about itself: dates, tags, lists, logsource."""

from __future__ import annotations

import difflib
import fnmatch
import re
from collections.abc import Iterator
from typing import Any

from sigmac.compiler.diagnostics.conventions import Conventions
from sigmac.compiler.diagnostics.diagnostic import Diagnostic, Place, did_you_mean
from sigmac.compiler.syntax.correlation import Correlation
from sigmac.compiler.syntax.documents import Refused
from sigmac.compiler.syntax.read_metadata import VERSION, declared_version
from sigmac.compiler.syntax.rule import Filter, Metadata, Rule

Document = Rule | Correlation | Filter | Refused

# Namespaces and what may stand behind the dot. Source: Sigma specification, tags appendix 2.1.0.
NAMESPACES = {
    "attack": r"(?:t\d{4}(?:\.\d{3})?|(?:g|s|m|a|ds|ta|c)\d{4}|[a-z][a-z0-9-]*[a-z])",
    "car": r"\d{4}-\d{2}-\d{3}",
    "cve": r"\d{4}-\d{4,}",
    "d3fend": r"(?:d3f?-[A-Za-z0-9-]+|model|harden|detect|isolate|deceive|evict|restore)",
    "detection": r"(?:dfir|emerging-threats|threat-hunting)",
    "stp": r"[1-5][aku]?",
    "tlp": r"(?:red|amber|amber-strict|green|clear)",
}
_FORM = {
    "attack": "a technique (`t1059.001`), group, software or tactic (`lateral-movement`)",
    "car": "as `car.2016-04-005`",
    "cve": "as `cve.2021-44228`",
    "d3fend": "as `d3fend.d3-am`",
    "detection": "one of dfir, emerging-threats, threat-hunting",
    "stp": "as `stp.4` or `stp.3k`",
    "tlp": "one of red, amber, amber-strict, green, clear",
}
# The generic categories. Source: Sigma specification, taxonomy appendix, and the rules of SigmaHQ.
CATEGORIES = (
    *("antivirus", "api_gateway", "application", "clipboard_capture", "create_remote_thread"),
    *("create_stream_hash", "database", "dns", "dns_query", "driver_load", "file_access"),
    *("file_block_executable", "file_block_shredding", "file_change", "file_delete"),
    *("file_delete_detected", "file_event", "file_executable_detected", "file_rename", "firewall"),
    *("image_load", "network_connection", "pipe_created", "process_access", "process_creation"),
    *("process_tampering", "process_termination", "proxy", "ps_classic_provider_start"),
    *("ps_classic_script", "ps_classic_start", "ps_module", "ps_script", "raw_access_thread"),
    *("registry_add", "registry_delete", "registry_event", "registry_rename", "registry_set"),
    *("sysmon_error", "sysmon_status", "webserver", "wmi_event"),
)
_UNIQUE = ("tags", "references", "falsepositives", "fields")


def place_of(document: Document, key: str, index: int | None = None) -> Place:
    """Where the value of a metadata key stands, or one element of its list."""
    node = document.meta.nodes.get(key)
    if node is None:
        return document.place
    if index is not None and node.is_list and index < len(node.value):
        node = node.value[index]
    return node.place(document.place.file, document.place.document)


def _elements(meta: Metadata, key: str) -> list[Any]:
    node = meta.nodes.get(key)
    return [child.value for child in node.value] if node is not None and node.is_list else []


def tags(document: Document, conventions: Conventions) -> Iterator[Diagnostic]:
    """W_TAG: tags that are no lower case, or of a namespace or form that neither the specification nor the repository
    knows.
    """
    own = conventions.tag_namespaces
    known = [*NAMESPACES, *(each for each in own if each not in NAMESPACES)]
    for index, tag in enumerate(_elements(document.meta, "tags")):
        if not isinstance(tag, str) or tag not in document.meta.tags:
            continue  # the reader has said it
        namespace, _, name = tag.partition(".")
        place = place_of(document, "tags", index)
        if namespace.lower() not in known:
            hint = did_you_mean(namespace.lower(), known) or f"known are {', '.join(known)}"
            message = f"the specification has no tag namespace `{namespace[:60]}`"
            yield Diagnostic("W_TAG", message, place, hint)
        elif tag != tag.lower() and namespace != "d3fend":
            message = f"the tag `{tag[:60]}` is not in lower case"
            yield Diagnostic("W_TAG", message, place, f"write `{tag.lower()[:60]}`")
        elif not re.fullmatch(r"[a-z0-9_-]+\.[a-z0-9._-]+", tag.lower()):
            message = f"the tag `{tag[:60]}` has a character that no tag has"
            hint = "letters, digits, `_`, `-` and dots make a tag"
            yield Diagnostic("W_TAG", message, place, hint)
        elif any(fnmatch.fnmatchcase(name, pattern) for pattern in own.get(namespace, ())):
            continue
        elif namespace not in NAMESPACES:
            message = f"`{name[:60]}` is not what a tag of `{namespace}` looks like"
            hint = did_you_mean(name, own[namespace]) or f"as {', '.join(own[namespace])[:200]}"
            yield Diagnostic("W_TAG", message, place, hint)
        elif not re.fullmatch(NAMESPACES[namespace], name):
            message = f"`{name[:60]}` is not what a tag of `{namespace}` looks like"
            hint = _FORM[namespace]
            if namespace == "attack" and "_" in name:
                hint = f"write `attack.{name.replace('_', '-')[:60]}`"
            yield Diagnostic("W_TAG", message, place, hint)


def replaced_tags(document: Document, conventions: Conventions) -> Iterator[Diagnostic]:
    """N_TAG_REPLACED: tags of what has another name by now."""
    for index, tag in enumerate(_elements(document.meta, "tags")):
        new = conventions.replaced_tags.get(tag.lower()) if isinstance(tag, str) else None
        if new is not None:
            message = f"`{tag[:60]}` has been replaced in ATT&CK"
            place = place_of(document, "tags", index)
            yield Diagnostic("N_TAG_REPLACED", message, place, f"write `{new}`")


def version(document: Document) -> Iterator[Diagnostic]:
    """W_SIGMA_VERSION: written for a newer specification than rules are read by."""
    major = declared_version(document.meta.nodes.get("sigma-version"))
    if major is not None and major > VERSION:
        message = f"the rule is written for Sigma {major}, and read as Sigma {VERSION} says"
        hint = "what is new there has no effect here, or is an error"
        yield Diagnostic("W_SIGMA_VERSION", message, place_of(document, "sigma-version"), hint)


def required(document: Document, conventions: Conventions) -> Iterator[Diagnostic]:
    """W_REQUIRED: a rule or correlation without keys that the repository asks for."""
    if not conventions.required or isinstance(document, (Filter, Refused)):
        return
    meta = document.meta
    given = {key for key, node in meta.nodes.items() if node.value not in (None, "", [])}
    given |= {key for key, value in meta.custom if value not in (None, "", [])}
    lacking = [f"`{key[:60]}`" for key in conventions.required if key not in given]
    if lacking:
        message = f"the rule has no {' and no '.join(lacking)}, which this repository requires"
        yield Diagnostic("W_REQUIRED", message, place_of(document, "title"), "add them")


def missing(document: Document, conventions: Conventions) -> Iterator[Diagnostic]:
    """N_META_MISSING: a rule with a status, so one for others, without what they read first; a deprecated
    one that does not name the rule to use instead.
    """
    meta = document.meta
    if not meta.status or isinstance(document, (Filter, Refused)):
        return
    wanted = {"description", "author", "level"} - {
        *conventions.required
    }  # of which it is said already
    lacking = [key for key in ("description", "author", "level") if key in wanted - {*meta.nodes}]
    if lacking:
        message = f"the rule has no {' and no '.join(f'`{key}`' for key in lacking)}"
        yield Diagnostic("N_META_MISSING", message, place_of(document, "title"), "add them")
    if meta.status == "deprecated" and "related" not in meta.nodes:
        message = "the deprecated rule does not say which rule has its place"
        hint = "add `related:` with that rule's id and the type `obsolete`"
        yield Diagnostic("N_META_MISSING", message, place_of(document, "status"), hint)


def dates(document: Document) -> Iterator[Diagnostic]:
    """W_DATE_ORDER: modified before it was written."""
    meta = document.meta
    if meta.date and meta.modified and meta.modified < meta.date:
        message = f"modified on {meta.modified}, before the date {meta.date}"
        yield Diagnostic(
            "W_DATE_ORDER", message, place_of(document, "modified"), "exchange them, or correct one"
        )


def repeated_entries(document: Document) -> Iterator[Diagnostic]:
    """W_ENTRY_TWICE: an entry twice in a list that the specification wants unique."""
    for key in _UNIQUE:
        seen: set[str] = set()
        for index, entry in enumerate(_elements(document.meta, key)):
            if isinstance(entry, str) and entry in seen:
                message = f"`{entry[:60]}` stands twice in `{key}`"
                yield Diagnostic(
                    "W_ENTRY_TWICE", message, place_of(document, key, index), "remove one"
                )
            elif isinstance(entry, str):
                seen.add(entry)


def logsource(document: Rule | Filter) -> Iterator[Diagnostic]:
    """W_LOGSOURCE: a logsource written otherwise than all others, or nearly a known category."""
    node = document.meta.nodes.get("logsource")
    for key in ("category", "product", "service"):
        value = getattr(document.logsource, key)
        if value is None or node is None:
            continue
        place = node.value[key].place(document.place.file, document.place.document)
        plain = value.strip().lower()
        if value != plain:
            message = f"the {key} `{value[:60]}` is not plain lower case"
            yield Diagnostic("W_LOGSOURCE", message, place, f"write `{plain[:60]}`")
        elif key == "category" and plain not in CATEGORIES:
            near = difflib.get_close_matches(plain[:60], CATEGORIES, n=1, cutoff=0.85)
            if near:
                message = f"the category `{plain[:60]}` is unknown, and nearly `{near[0]}`"
                yield Diagnostic("W_LOGSOURCE", message, place, f"did you mean `{near[0]}`?")


DOCUMENT_CHECKS = (version, dates, repeated_entries)
CONVENTION_CHECKS = (tags, replaced_tags, required, missing)
RULE_CHECKS = (logsource,)
