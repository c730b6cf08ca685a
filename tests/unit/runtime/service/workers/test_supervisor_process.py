"""What the supervisor hands on to its children."""

from __future__ import annotations

import re
from pathlib import Path

from sigmac.runtime.service.config.configuration import Settings
from sigmac.runtime.service.config.layers import is_key
from sigmac.runtime.service.workers.supervisor_process import without_secrets

RUNTIME = Path(__file__).resolve().parents[5] / "runtime"


def test_every_variable_that_the_runtime_reads_is_no_setting_and_reaches_workers() -> None:
    read = set()
    for file in RUNTIME.rglob("*.py"):
        if "service" not in file.relative_to(RUNTIME).parts:
            read |= set(re.findall(r"\"(SIGMAC_[A-Z_]+)\"", file.read_text(encoding="utf-8")))
    assert {"SIGMAC_KERNELS", "SIGMAC_CACHE_DIR"} <= read
    assert [name for name in sorted(read) if is_key(name)] == []
    settings = Settings(
        name="edge",
        packs={"windows": {"path": "windows"}},
        source={"stdin": {"pack": "windows"}},
        matches={"stdout": {}},
        dead_letters="drop",
    )
    assert without_secrets(dict.fromkeys(read, "x"), settings).keys() == read
    assert without_secrets({"SIGMAC_HTTP__BIND": "x", "PATH": "y"}, settings) == {"PATH": "y"}
