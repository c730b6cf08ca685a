"""What earlier builds left behind: units by the digest of their source, as JSON, never code.

One file a rule set and options; a file that is damaged or of another sigmac is as good as none.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import time
import unicodedata
from collections.abc import Mapping
from functools import cache
from importlib import metadata, resources
from pathlib import Path
from typing import Any

import orjson

from sigmac.compiler.packaging.replace import UNFINISHED, replace_file

MAX_FILES = 24
_HOUR = 3600  # seconds, in which every build that still writes has written


def default_folder() -> Path | None:
    """`$XDG_CACHE_HOME/sigmac`, by default `~/.cache/sigmac`; None for a user who has no home."""
    base = os.environ.get("XDG_CACHE_HOME")
    try:
        return (Path(base) if base else Path.home() / ".cache") / "sigmac"
    except RuntimeError:
        return None


# What decides how a rule is read and how its code looks, besides sigmac itself.
_DEPENDENCIES = ("google-re2", "jinja2", "lark", "pyyaml", "ruff")


@cache
def compiler_digest() -> str:
    """A digest of the compiler's code, templates and grammar, and of the versions that it works with.

    Another compiler has another cache.
    """
    digest = hashlib.sha256(unicodedata.unidata_version.encode())
    for name in _DEPENDENCIES:
        digest.update(f"{name} {metadata.version(name)}\0".encode())
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
            digest = hashlib.sha256(body).hexdigest().encode()
            replace_file(self.folder / f"{key}.json", digest + body)
            self._prune(self.folder)

    def _prune(self, folder: Path) -> None:
        kept = sorted(folder.glob("*.json"), key=_last_used, reverse=True)
        left = (
            each for each in folder.glob(f"{UNFINISHED}*") if _last_used(each) < time.time() - _HOUR
        )
        for path in (*kept[MAX_FILES:], *left):
            path.unlink(missing_ok=True)


def _last_used(path: Path) -> float:
    return path.stat().st_mtime
