"""Evaluate Sigma rules over NDJSON with pySigma's SQLite backend, and print what it took and what matched as JSON.

`python query.py RULES EVENTS`, in an environment that has `requirements.txt`. Every event is a row of one table in
memory, every field a column; the columns that most rules ask for come first, where SQLite finds them soonest.
"""

from __future__ import annotations

import functools
import json
import re
import sqlite3
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
from sigma.backends.sqlite import sqliteBackend
from sigma.exceptions import SigmaError
from sigma.rule import SigmaRule

TABLE = "logs"
TEXT = "_text"  # what rules with keywords search
MAX_COLUMNS = 2000  # SQLite's default limit


def main() -> None:
    rules, events = map(Path, sys.argv[1:])
    backend = sqliteBackend(table=TABLE, fulltext_field=TEXT)
    queries: dict[str, list[str]] = {}
    fields: Counter[str] = Counter()
    failed = 0
    for path in sorted(rules.rglob("*.yml")):
        try:
            rule = SigmaRule.from_yaml(path.read_text("utf-8"))
            queries[str(rule.id)] = [
                query.replace("SELECT *", "SELECT rowid", 1) for query in backend.convert_rule(rule)
            ]
            fields.update(backend.required_fields(rule))
        except SigmaError:
            failed += 1
    data = events.read_bytes()

    started = time.perf_counter()
    database = sqlite3.connect(":memory:")
    records, rejected = load(database, data, [name for name, _ in fields.most_common()])
    loaded = time.perf_counter()
    matches = {}
    for rule_id, alternatives in queries.items():
        rows = [{row for (row,) in database.execute(query)} for query in alternatives]
        matches[rule_id] = len(set().union(*rows))
    ended = time.perf_counter()
    answer = {
        "rules": len(queries),
        "failed": failed,
        "records": records,
        "rejected": rejected,
        "seconds": ended - started,
        "parts": {"load": loaded - started, "queries": ended - loaded},
        "matches": matches,
    }
    print(json.dumps(answer))


def load(database: sqlite3.Connection, data: bytes, fields: list[str]) -> tuple[int, int]:
    """Fill the table. Returns how many records it has and how many lines were no JSON objects."""
    rows = []
    rejected = 0
    # SQLite takes names that differ only in case for one; the first comes to stay.
    columns = {name.lower(): name for name in [*fields, TEXT]}
    for line in data.splitlines():
        try:
            event = orjson.loads(line)
        except orjson.JSONDecodeError:
            rejected += 1
            continue
        row: dict[str, Any] = {}
        for name, value in flatten(event):
            row.setdefault(name.lower(), value)
            if name.lower() not in columns and len(columns) < MAX_COLUMNS:
                columns[name.lower()] = name
        row[TEXT] = "\n".join(texts(event))
        rows.append(row)
    # Sigma's strings do not heed case, and "1" equals 1: as in tables that tools of this kind make.
    declared = ", ".join(f"{quoted(name)} TEXT COLLATE NOCASE" for name in columns.values())
    database.execute(f"CREATE TABLE {TABLE} ({declared})")
    places = ", ".join("?" * len(columns))
    database.executemany(
        f"INSERT INTO {TABLE} VALUES ({places})",
        ([row.get(name) for name in columns] for row in rows),
    )
    if "eventid" in columns:
        database.execute(f"CREATE INDEX by_event ON {TABLE} (EventID)")
    pattern = functools.lru_cache(None)(re.compile)
    database.create_function(
        "REGEXP",
        2,
        lambda regex, text: text is not None and pattern(regex).search(text) is not None,
        deterministic=True,
    )
    return len(rows), rejected


def flatten(value: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted names and scalars; a list is its JSON text."""
    for name, inner in value.items():
        if isinstance(inner, dict):
            yield from flatten(inner, f"{prefix}{name}.")
        elif isinstance(inner, list):
            yield prefix + name, orjson.dumps(inner).decode()
        elif isinstance(inner, bool):
            yield prefix + name, "true" if inner else "false"
        elif isinstance(inner, int):
            yield prefix + name, str(inner)  # SQLite's own integers end at 2**63
        else:
            yield prefix + name, inner


def texts(value: Any) -> Iterator[str]:
    """The scalars of an event as texts."""
    if isinstance(value, dict):
        for inner in value.values():
            yield from texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from texts(inner)
    elif isinstance(value, str):
        yield value
    elif value is not None:
        yield json.dumps(value)


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


main()
