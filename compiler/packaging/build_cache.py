"""What earlier builds left behind: units by the digest of their source.

One file a rule set and options; a file that is damaged or of another sigmac is as good as none. Units hold generated
code, which goes into packs as it is: so the folder is used only where it is this user's alone, and a pack that is
signed is made without it.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import time
import unicodedata
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import metadata, resources
from pathlib import Path
from typing import Any

import orjson

from sigmac.compiler.packaging.replace import UNFINISHED
from sigmac.runtime.private_folder import NotPrivate, PrivateFolder

MAX_FILES = 24
MAX_BYTES = 1 << 30  # of one of them
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
    """A private folder of JSON files, the least recently used of which are dropped. With folder None nothing is kept.

    `problem` says why the folder is not used although there is one.
    """

    def __init__(self, folder: Path | None):
        self.folder = folder
        self.problem: str | None = None

    def load(self, key: str) -> dict[str, Any]:
        """What was stored under a key; empty where that is nothing."""
        with self._opened(make=False) as folder:
            if folder is None:
                return {}
            try:
                data = folder.read(f"{key}.json", MAX_BYTES)
                found = orjson.loads(data[64:])
            except (OSError, ValueError):
                return {}
            if data[:64] != hashlib.sha256(data[64:]).hexdigest().encode() or not isinstance(
                found, dict
            ):
                return {}
            folder.touch(f"{key}.json")
            return found

    def store(self, key: str, content: Mapping[str, Any]) -> None:
        """Keep JSON under a key. A cache that cannot be written is no error: the next build takes longer."""
        body = orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY)
        digest = hashlib.sha256(body).hexdigest().encode()
        with self._opened(make=True) as folder, contextlib.suppress(OSError):
            if folder is not None:
                folder.write(f"{key}.json", digest + body, UNFINISHED)
                _prune(folder)

    @contextlib.contextmanager
    def _opened(self, *, make: bool) -> Iterator[PrivateFolder | None]:
        if self.folder is None or not (make or self.folder.exists()):
            yield None
            return
        try:
            folder = PrivateFolder(self.folder)
        except OSError as error:
            if isinstance(error, NotPrivate):
                self.problem = f"the cache is not used: {error}"
            yield None
            return
        try:
            yield folder
        finally:
            folder.close()


def _prune(folder: PrivateFolder) -> None:
    names = folder.names_by_age()
    kept = [name for name in names if name.endswith(".json") and not name.startswith(UNFINISHED)]
    now = time.time()
    left = [n for n in names if n.startswith(UNFINISHED) and folder.age(n, now) > _HOUR]
    for name in (*kept[:-MAX_FILES], *left):
        folder.remove(name)
