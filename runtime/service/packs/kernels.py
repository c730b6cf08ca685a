"""The kernels of the batch engine, made before packs are tried and workers start.

Compiling them takes about a minute, which must not count as a pack's slowness. It is done in a process of its own,
once: what it makes is kept in the user's cache, or in the state folder where that cannot be written.
"""

from __future__ import annotations

import contextlib
import subprocess
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import structlog

from sigmac.runtime.engine.machine_code.choice import CHOICE, needs_compiling
from sigmac.runtime.service.packs.trial import interpreter

log = structlog.get_logger("sigmac.service")

_PROGRAM = "sigmac.runtime.engine.machine_code.keep"
_KEPT, _NOT_KEPT = 0, 3  # its exit statuses
_CACHE = "SIGMAC_CACHE_DIR"
_LOOK = 0.2  # seconds between two looks whether the kernels are still wanted


@dataclass(frozen=True, slots=True)
class KernelsAtHand:
    """What the environments of the service's processes need besides, so that none of them has to compile.

    `trials` are those whose time is measured.
    """

    everywhere: Mapping[str, str] = field(default_factory=dict)
    trials: Mapping[str, str] = field(default_factory=dict)


def prepare_kernels(
    environment: Mapping[str, str], state: Path, cancelled: Callable[[], bool]
) -> KernelsAtHand:
    """See that kernels can be loaded without compiling them."""
    if not needs_compiling(environment.get(CHOICE, "")):
        return KernelsAtHand()
    own = {_CACHE: str((state / "cache").resolve())}
    status = _keep(environment, cancelled)
    if status == _NOT_KEPT:
        log.warning("compiled kernels cannot be kept in the cache; the state folder has them")
        status = _keep({**environment, **own}, cancelled)
        if status == _KEPT:
            return KernelsAtHand(own)
    if status == _NOT_KEPT:
        log.warning(
            "compiled kernels cannot be kept: every worker compiles them for itself, packs are tried without"
        )
        return KernelsAtHand(trials={CHOICE: "off"})
    return KernelsAtHand()


def _keep(environment: Mapping[str, str], cancelled: Callable[[], bool]) -> int:
    """Compile them if need be; what is said of it goes to the log at once. The exit status."""
    process = subprocess.Popen(
        [*interpreter(), "-m", _PROGRAM],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=environment,
    )
    assert process.stderr is not None
    hears = threading.Thread(target=_log_lines, args=(process.stderr,), daemon=True)
    hears.start()
    while process.poll() is None:
        if cancelled():
            process.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_LOOK)
    hears.join(1.0)
    return process.returncode


def _log_lines(stream: IO[bytes]) -> None:
    with stream:
        for line in stream:
            log.info(line.decode("utf-8", "replace").strip())
