"""The Go engine itself, as a program that is built with the Go tool chain of this machine and asked line by line.

`engine/` has the program; `go.mod` and `go.sum` there say which module it is, to the byte, wherever it comes from.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from sigmac.compiler.packaging.build_cache import default_folder
from sigmac.runtime.errors import ConfigurationError, SigmacError
from sigmac.runtime.private_folder import private_folder

VERSION = "0.3.0"
_SOURCE = Path(__file__).parent / "engine"
_FILES = ("go.mod", "go.sum", "main.go")
_SECONDS = 600  # that a build may take, modules included
_SAID = 3  # last lines of a build that fails


def build_engine(folder: Path | None = None) -> Path:
    """The program, built where it is not there yet; kept in `folder`, by default in that of the build's cache.

    Raises `ConfigurationError` with one line where it cannot be built.
    """
    base = folder or default_folder()
    if base is None:
        raise ConfigurationError("the Go engine needs a folder to be built in: set XDG_CACHE_HOME")
    files = {name: (_SOURCE / name).read_bytes() for name in _FILES}
    digest = hashlib.sha256(b"\0".join(files.values())).hexdigest()[:16]
    with private_folder(base) as where:
        program = where.path / f"go-sigma-rule-engine-{VERSION}-{digest}"
        if not program.exists():
            with tempfile.TemporaryDirectory(prefix=".go-", dir=where.path) as made:
                for name, data in files.items():
                    (Path(made) / name).write_bytes(data)
                _build(Path(made))
                os.replace(Path(made) / "engine", program)
    return program


def _build(folder: Path) -> None:
    environment = {**os.environ, "CGO_ENABLED": "0", "GOWORK": "off", "GOFLAGS": ""}
    command = ["go", "build", "-trimpath", "-o", "engine", "."]
    try:
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, timeout=_SECONDS
        )
    except FileNotFoundError:
        message = "the Go engine needs a Go tool chain: install Go (https://go.dev/dl) and have `go` on the PATH"
        raise ConfigurationError(message) from None
    except subprocess.TimeoutExpired:
        raise ConfigurationError(f"the Go engine was not built within {_SECONDS} s") from None
    if done.returncode:
        said = " / ".join(done.stderr.strip().splitlines()[-_SAID:])
        raise ConfigurationError(f"the Go engine cannot be built here: {said}")


class GoEngine:
    """The program while it runs. One thread asks it at a time; `with` ends it."""

    def __init__(self, program: Path, *, applicable: bool = False):
        command = [str(program), *(["-applicable"] if applicable else [])]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def ask(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """The answer to one request, both as `engine/main.go` says. Raises `SigmacError` where it refuses or ends."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise SigmacError("the Go engine has ended") from None
        line = self._process.stdout.readline()
        if not line:
            raise SigmacError("the Go engine has ended")
        found: dict[str, Any] = json.loads(line)
        if "error" in found:
            raise SigmacError(f"the Go engine: {found['error']}")
        return found

    def load(
        self, directories: Sequence[str], *, no_collapse_ws: bool = False
    ) -> list[dict[str, Any]]:
        """Take the rules of folders; what became of each file."""
        found = self.ask({"load": list(directories), "noCollapseWS": no_collapse_ws})
        return list(found["rules"])

    def rule(self, text: str, *, no_collapse_ws: bool = False) -> dict[str, Any]:
        """Take one rule alone; what became of it."""
        self.ask({"clear": True})
        return dict(self.ask({"rule": text, "noCollapseWS": no_collapse_ws})["rules"][0])

    def evaluate(
        self, event: Mapping[str, Any], keywords: Sequence[str] | None = None
    ) -> dict[str, Any]:
        """Which of the rules match an event, by their numbers."""
        request: dict[str, Any] = {"event": event}
        if keywords is not None:
            request["keywords"] = list(keywords)
        return self.ask(request)

    def __enter__(self) -> GoEngine:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with suppress(BrokenPipeError):  # what was not written has been told already
                    stream.close()
        self._process.wait()
