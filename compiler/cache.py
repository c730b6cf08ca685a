"""What earlier builds left behind: units by the digest of their source, as JSON, never code.

One file a rule set and options; a file that is damaged or of another sigmac is as good as none.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Mapping
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import orjson

MAX_FILES = 24


def default_folder() -> Path:
    """`$XDG_CACHE_HOME/sigmac`, by default `~/.cache/sigmac`."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "sigmac"


@cache
def compiler_digest() -> str:
    """A digest of the compiler's own code, templates and grammar: another compiler has another cache."""
    digest = hashlib.sha256()
    for package in ("sigmac.compiler", "sigmac.templates", "sigmac.runtime"):
        root = resources.files(package)
        for path in sorted(_source_files(Path(str(root)))):
            digest.update(str(path.name).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def _source_files(root: Path) -> list[Path]:
    return [path for path in root.rglob("*") if path.suffix in {".py", ".j2", ".lark", ".yml"}]


class Cache:
    """A folder of JSON files, the least recently used of which are dropped. With folder None nothing is kept."""

    def __init__(self, folder: Path | None):
        self.folder = folder

    def load(self, key: str) -> dict[str, Any]:
        """What was stored under a key; empty where that is nothing."""
        if self.folder is None:
            return {}
        path = self.folder / f"{key}.json"
        try:
            data = path.read_bytes()
            found = orjson.loads(data[64:])
        except (OSError, ValueError):
            return {}
        if data[:64] != hashlib.sha256(data[64:]).hexdigest().encode() or not isinstance(
            found, dict
        ):
            return {}
        with contextlib.suppress(OSError):
            os.utime(path)
        return found

    def store(self, key: str, content: Mapping[str, Any]) -> None:
        """Keep JSON under a key. A cache that cannot be written is no error: the next build takes longer."""
        if self.folder is None:
            return
        body = orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY)
        with contextlib.suppress(OSError):
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            handle, name = tempfile.mkstemp(dir=self.folder, prefix=".")
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(hashlib.sha256(body).hexdigest().encode() + body)
                os.replace(name, self.folder / f"{key}.json")
            except OSError:
                Path(name).unlink(missing_ok=True)
                raise
            self._prune()

    def _prune(self) -> None:
        assert self.folder is not None
        files = sorted(
            self.folder.glob("*.json"), key=lambda path: path.stat().st_mtime, reverse=True
        )
        for path in files[MAX_FILES:]:
            path.unlink(missing_ok=True)
