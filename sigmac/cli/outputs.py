"""Where a command writes: whole lines whatever happens, and never over what it reads."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO

import click

from sigmac.runtime.printable import escaped_json


def refuse_overlap(inputs: Sequence[str], outputs: Mapping[str, Path | None]) -> None:
    """Raises `click.BadParameter` where a file to be written is one that is read, or another that is written.

    Files are told apart by what they are, not by their names: links lead to what they point at, `-` is standard input,
    and standard output counts where nothing else is named. Nothing is opened.
    """
    read: dict[_Identity | None, str] = {
        _identity(0 if name == "-" else name): name
        for name in inputs
        if name == "-" or os.path.exists(name)
    }
    written: dict[_Identity, str] = {}
    for option, path in outputs.items():
        # Without a file the first of them goes to standard output.
        where = 1 if path is None and option == next(iter(outputs)) else path
        found = None if where is None else _identity(where)
        if found is None:
            continue
        name = "standard output" if path is None else str(path)
        if found in read:
            said = "standard input" if read[found] == "-" else read[found]
            raise click.BadParameter(
                f"{name} is also an input ({said}): it would be emptied before it is read",
                param_hint=option,
            )
        if found in written:
            raise click.BadParameter(f"{name} is also {written[found]}", param_hint=option)
        written[found] = option


def refuse_nested(option: str, folder: Path, others: Sequence[str]) -> None:
    """Raises `click.BadParameter` where a folder to be written lies in one of the others, is it, or holds it."""
    real = Path(os.path.realpath(folder))
    for name in others:
        other = Path(os.path.realpath(name))
        if real.is_relative_to(other) or other.is_relative_to(real):
            message = f"{folder} and {name} lie within each other: give a folder of its own"
            raise click.BadParameter(message, param_hint=option)


_Identity = tuple[int, int] | str


def _identity(file: int | str | Path) -> _Identity | None:
    """Device and inode, or the whole path where there is nothing yet; None for devices that have no content."""
    try:
        found = os.stat(file)
    except OSError:
        return None if isinstance(file, int) else os.path.realpath(file)
    return None if stat.S_ISCHR(found.st_mode) else (found.st_dev, found.st_ino)


class Output:
    """A file or standard output that holds whole lines only, whatever happens.

    `on_a_terminal` makes of the text what a terminal shows and does not obey.
    """

    def __init__(self, path: Path | None, on_a_terminal: Callable[[bytes], bytes] = escaped_json):
        self.path = path
        self._on_a_terminal = on_a_terminal
        self.stream: IO[bytes] | None = None
        self.written = 0
        self.is_terminal = path is None and sys.stdout.isatty()

    def __enter__(self) -> Output:
        self.stream = sys.stdout.buffer if self.path is None else self.path.open("wb", buffering=0)
        return self

    def write(self, lines: bytes) -> None:
        if not lines:
            return
        assert self.stream is not None
        if self.is_terminal:
            lines = self._on_a_terminal(lines)
        data = memoryview(lines)
        try:
            done = 0
            while done < len(data):
                done += self.stream.write(data[done:])
            self.stream.flush()
        except BrokenPipeError:
            # Python flushes standard output once more at exit: give it somewhere to go.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise
        except OSError as error:
            self._keep_whole_lines(bytes(data[:done]))
            where = self.path or "standard output"
            raise OSError(
                error.errno, f"{error.strerror}; what was written is whole lines", str(where)
            ) from None
        self.written += len(data)

    def _keep_whole_lines(self, partial: bytes) -> None:
        if self.path is not None and self.stream is not None and self.path.is_file():
            self.stream.truncate(self.written + partial.rfind(b"\n") + 1)

    def __exit__(self, *failure: object) -> None:
        if self.path is not None and self.stream is not None:
            self.stream.close()
