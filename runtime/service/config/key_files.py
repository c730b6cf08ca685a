"""The files with keys that a configuration names."""

from __future__ import annotations

from pathlib import Path

from sigmac.runtime.errors import ConfigurationError
from sigmac.runtime.regular_file import read_regular

_MAX_KEY = 64 << 10  # bytes


def read_key(path: Path) -> bytes:
    """The content of a file with a public key. Raises `ConfigurationError`."""
    try:
        return read_regular(path, _MAX_KEY)
    except OSError as error:
        why = error.strerror or error
        raise ConfigurationError(f"trusted_keys: {path} cannot be read: {why}") from None
