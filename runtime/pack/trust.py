"""Who may have signed a pack, and which pack it has to be: what `load_pack` is told about trust, checked."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from sigmac.runtime.errors import PackError

_VERSION = re.compile(
    r"(\d+(?:\.\d+)*)(?:(a|b|rc)(\d+))?(?:\.post(\d+))?(?:\.dev(\d+))?(?:\+[a-z0-9.]+)?", re.ASCII
)
_MAX_VERSION = 200  # characters
_LAST = 1 << 800  # above every number in a version
# The field and the curve of Ed25519 (RFC 8032)
_P = (1 << 255) - 19
_D = -121665 * pow(121666, -1, _P) % _P


def raw_keys(trusted: Iterable[bytes | str] | None) -> tuple[bytes, ...] | None:
    """Trusted Ed25519 keys (raw bytes, hexadecimal or PEM) as 32 bytes each; None where nobody has to sign.

    Raises `PackError` where there are no keys, or one is none: what should be signed is then not taken unsigned.
    """
    if trusted is None:
        return None
    if isinstance(trusted, bytes | str) or not isinstance(trusted, Iterable):
        raise PackError("trusted keys come as a list, be it of one key")
    keys = tuple(map(_raw_key, trusted))
    if not keys:
        raise PackError("no key is trusted, so no pack can be: name a key, or ask for no signature")
    return keys


def _raw_key(key: bytes | str) -> bytes:
    if not isinstance(key, bytes | str):
        raise PackError(f"a trusted key is bytes or text, not {type(key).__name__}")
    data = key.encode("utf-8", "replace") if isinstance(key, str) else key
    if data.lstrip().startswith(b"-----"):
        raw = _key_of_pem(data)
    else:
        try:
            raw = data if len(data) == 32 else bytes.fromhex(data.decode("ascii").strip())
        except ValueError:
            raw = b""
        if len(raw) != 32:
            raise PackError("a trusted key is neither PEM, hexadecimal nor 32 bytes")
    if has_small_order(raw):
        raise PackError("a trusted key is a point of small order, for which anybody can sign")
    return raw


def _key_of_pem(data: bytes) -> bytes:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    if data.count(b"-----BEGIN") > 1:
        raise PackError("a trusted key in PEM holds several: give each by itself")
    try:
        loaded = serialization.load_pem_public_key(data)
    except (ValueError, UnsupportedAlgorithm):
        raise PackError("a trusted key is no public key in PEM") from None
    if not isinstance(loaded, Ed25519PublicKey):
        raise PackError("a trusted key is no Ed25519 key")
    return loaded.public_bytes_raw()


def has_small_order(key: bytes) -> bool:
    """Whether eight times the point of a key is the neutral one: then its signatures say nothing.

    >>> has_small_order(bytes(32)), has_small_order(b"X" + b"f" * 31)
    (True, False)
    """
    y = int.from_bytes(key, "little") & (1 << 255) - 1
    try:
        for _ in range(3):
            # The curve gives x² by y, and doubling needs no more of x.
            xx = (y * y - 1) * pow(_D * y * y + 1, -1, _P) % _P
            y = (y * y + xx) * pow(1 - _D * xx * y * y, -1, _P) % _P
    except ValueError:
        return True  # no point of the curve at all
    return y == 1


def check_identity(
    manifest: Mapping[str, Any], name: str | None, least_version: str | None
) -> None:
    """Raise `PackError` where a pack has another name, or is older than it may be: a signature tells neither."""
    if name is not None and manifest["name"] != name:
        raise PackError(f"the pack is {manifest['name']!r}, not {name!r}")
    if least_version is not None:
        least, found = version_key(least_version), version_key(manifest["version"])
        if found < least:
            version = manifest["version"]
            raise PackError(f"the pack has version {version}, which is below {least_version}")


def version_key(version: str) -> tuple[Any, ...]:
    """What versions are ordered by, as PEP 440 has it; what stands behind `+` does not count.

    Raises `PackError` for what is no version.

    >>> sorted(["1.0", "1.0rc1", "1.0.dev3", "1.0.post1", "0.9", "1.0a2"], key=version_key)
    ['0.9', '1.0.dev3', '1.0a2', '1.0rc1', '1.0', '1.0.post1']
    """
    found = _VERSION.fullmatch(version) if len(version) <= _MAX_VERSION else None
    if found is None:
        raise PackError(f"{version[:_MAX_VERSION]!r} is no version: write it as 1.2.3 (PEP 440)")
    release, stage, number, post, dev = found.groups()
    numbers = [int(part) for part in release.split(".")]
    while numbers and numbers[-1] == 0:
        numbers.pop()
    before = ("a", "b", "rc").index(stage) if stage else 3
    if stage is None and post is None and dev is not None:
        before = -1  # work towards a release comes before its first trial
    return (
        tuple(numbers),
        before,
        int(number or 0),
        int(post) if post is not None else -1,
        int(dev) if dev is not None else _LAST,
    )
