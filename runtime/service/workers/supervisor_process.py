"""The supervisor as a process: signals and what wakes it, its state folder, and the environment of its children."""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import signal
from collections.abc import Iterator, Mapping
from pathlib import Path

import structlog

from sigmac.runtime.errors import ConfigurationError
from sigmac.runtime.service.config.configuration import Settings
from sigmac.runtime.service.config.layers import PREFIX
from sigmac.runtime.service.observe.logs import secrets_of

log = structlog.get_logger("sigmac.service")

_LONG = 6  # characters of a secret that is looked for inside other texts
# Variables of our prefix that workers need
_NO_SECRETS = ("SIGMAC_KERNELS", "SIGMAC_CACHE_DIR", "SIGMAC_CONSUMER")


class Bell:
    """Wakes the main thread, also from a signal's handler, which may take no locks."""

    def __init__(self) -> None:
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._reader, False)
        os.set_blocking(self._writer, False)
        self._open = True

    def ring(self) -> None:
        if self._open:
            with contextlib.suppress(BlockingIOError):  # full: it rings already
                os.write(self._writer, b"\0")

    def wait(self, seconds: float) -> None:
        """Until somebody rings, for at most this long."""
        if select.select([self._reader], [], [], max(0.0, seconds))[0]:
            os.read(self._reader, 4096)

    def close(self) -> None:
        self._open = False
        os.close(self._reader)
        os.close(self._writer)


@contextlib.contextmanager
def locked(state: Path) -> Iterator[None]:
    """The state folder, for this process alone. Raises `ConfigurationError`."""
    try:
        state.mkdir(parents=True, exist_ok=True, mode=0o700)
        file = (state / "lock").open("wb")
    except OSError as error:
        raise ConfigurationError(
            f"state: {state} cannot be written: {error.strerror or error}"
        ) from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigurationError(
                f"state: {state} is in use by another service; give each its own folder"
            ) from None
        except OSError as error:
            # A file system without locks: nothing more can be known.
            log.warning("the state folder cannot be locked", reason=str(error))
        yield


def without_secrets(environment: Mapping[str, str], settings: Settings) -> dict[str, str]:
    """The environment for other processes: no secret of the configuration, no override of it."""
    secrets = secrets_of(settings)
    return {
        name: value
        for name, value in environment.items()
        if (not name.startswith(PREFIX) or name in _NO_SECRETS)
        and not any(_holds(value, secret) for secret in secrets)
    }


def _holds(value: str, secret: str) -> bool:
    # The letters of a short one occur by chance.
    return value == secret or (len(secret) >= _LONG and secret in value)


def signal_name(number: int) -> str:
    """As `SIGKILL`; most of the real-time signals have no name of their own."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
