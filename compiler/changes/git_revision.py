"""The files of a git revision, as they were."""

from __future__ import annotations

import io
import subprocess
import tarfile
from pathlib import Path

from sigmac.runtime.errors import InputError

PREFIX = "git:"


def check_out(given: str, other: str, folder: Path) -> str:
    """Write what `git:REV` or `git:REV:PATH` names into a folder; the path of it there.

    Without a path that of `other` is taken, the side it is compared with. Nothing of the repository is run or changed.
    Raises `InputError` where git, the revision or the path is not there.
    """
    revision, _, path = given.removeprefix(PREFIX).partition(":")
    if not path and other.startswith(PREFIX):
        raise InputError(f"{given}: name the path too, as {PREFIX}{revision or 'REV'}:rules")
    wanted = Path(path or other).absolute()
    start = next((each for each in (wanted, *wanted.parents) if each.is_dir()), Path("/"))
    top = Path(_git(given, start, "rev-parse", "--show-toplevel").decode().rstrip("\n"))
    commit = _git(
        given, top, "rev-parse", "--verify", "--end-of-options", f"{revision or 'HEAD'}^{{commit}}"
    )
    real = Path(wanted.parent.resolve(), wanted.name)
    if not real.is_relative_to(top):
        raise InputError(f"{given}: {wanted} is not within {top}")
    inner = real.relative_to(top).as_posix()
    archive = _git(given, top, "archive", "--format=tar", commit.decode().strip(), "--", inner)
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        tar.extractall(folder, filter="data")
    return str(folder / inner)


def _git(given: str, folder: Path, *arguments: str) -> bytes:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments], capture_output=True, check=False
        )
    except FileNotFoundError:
        raise InputError(f"{given}: git is not installed") from None
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise InputError(f"{given}: {said[-1] if said else 'git failed'}")
    return done.stdout
