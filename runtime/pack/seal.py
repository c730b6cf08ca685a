"""The manifest of a pack and what it vouches for: every file by its digest, itself by its own.

`manifest.json` is canonical JSON, so that no byte of it can change unnoticed; `manifest.sig` is an optional detached
Ed25519 signature over its bytes. Nothing of a pack is imported before all of this has been checked.
"""

from __future__ import annotations

import hashlib
import importlib.util
import itertools
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import orjson

from sigmac.runtime.errors import PackError
from sigmac.runtime.pack.trust import raw_keys
from sigmac.runtime.regular_file import OddFile, read_regular

FORMAT = 1
MANIFEST = "manifest.json"
SIGNATURE = "manifest.sig"
MAX_FILE = 1 << 30  # bytes
MAX_MANIFEST = 256 << 20
MAX_SIGNATURE = 64 << 10
_DIGEST = "digest"


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def render_manifest(content: Mapping[str, Any]) -> bytes:
    """Canonical bytes of a manifest, its own digest included."""
    body = {key: value for key, value in content.items() if key != _DIGEST}
    body[_DIGEST] = sha256(_canonical(body))
    return _canonical(body)


def _canonical(content: Mapping[str, Any]) -> bytes:
    return orjson.dumps(content, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS) + b"\n"


def read_manifest(folder: Path) -> tuple[dict[str, Any], bytes]:
    """The manifest of a pack and its bytes, checked in itself.

    Raises `PackError` where there is none, where it is damaged or made in a newer format.
    """
    try:
        data = read_member(folder, MANIFEST)
    except FileNotFoundError:
        what = "is no rule pack: it has no manifest.json" if folder.is_dir() else "does not exist"
        raise PackError(f"{folder} {what}; make one with `sigmac build`") from None
    except NotADirectoryError:
        what = "is a file, and a rule pack is a folder"
        if folder.suffix.lower() in (".yml", ".yaml"):
            what = "is no rule pack but a file of rules"
            what += "; make a pack of it with `sigmac build`, or ask it about an event with `sigmac explain`"
        raise PackError(f"{folder} {what}") from None
    except OSError as error:
        raise PackError(f"{folder}: {error.strerror or error}") from None
    damaged = f"{folder}: the manifest is damaged; build the pack again"
    try:
        content = orjson.loads(data)
        if not isinstance(content, dict) or not isinstance(content.get("files"), dict):
            raise PackError(damaged)
        made_in = content.get("format")
        if isinstance(made_in, int) and made_in > FORMAT:
            newer = f"the pack has format {made_in}, this sigmac reads up to {FORMAT}"
            raise PackError(f"{folder}: {newer}; upgrade sigmac")
        changed = render_manifest(content) != data
    except (ValueError, TypeError):  # no JSON, or nested too deeply to be written again
        raise PackError(damaged) from None
    if changed or type(made_in) is not int or made_in != FORMAT:
        raise PackError(f"{folder}: the manifest was changed after the build; build the pack again")
    if not all(_are(kind, [content.get(key)]) for key, kind in _TYPES.items()) or not all(
        _are(kind, [content.get(key, [])]) for key, kind in _OPTIONAL.items()
    ):
        raise PackError(damaged)
    return content, data


# What the runtime reads of a manifest, besides its format: lists are of the type in them.
_TYPES: dict[str, Any] = {
    "name": str,
    "version": str,
    "rules": [str],
    "modules": [str],
    "logsources": [[str]],
    "logsource_functions": [str],
    "logsource_fields": [str],
}
# What a pack that was built before there was such a thing has not
_OPTIONAL: dict[str, Any] = {"correlations": [str], "silent": [str], "event_logsources": [[str]]}


def _are(kind: Any, values: list[Any]) -> bool:
    # A manifest lists tens of thousands of texts; JSON makes no subclasses.
    types = {*map(type, values)}
    if isinstance(kind, list):
        return types <= {list} and _are(kind[0], [*itertools.chain.from_iterable(values)])
    return types <= {kind}


def read_files(folder: Path, manifest: Mapping[str, Any]) -> dict[str, bytes]:
    """Every file that the manifest lists, name → bytes as verified.

    Raises `PackError` for a file that is missing, changed, not listed, or a link that leads out of the pack; compiled
    bytecode beside the sources is never used and does not count.
    """
    listed: Mapping[str, str] = manifest["files"]
    for name in _present(folder):
        if name not in listed and name not in (MANIFEST, SIGNATURE):
            raise PackError(f"{folder}: {name} is not part of the pack; remove it or build again")
    files = {}
    for name, digest in listed.items():
        if not _inside(name):
            raise PackError(f"{folder}: the manifest names a file outside the pack: {name!r}")
        try:
            data = read_member(folder, name)
        except FileNotFoundError:
            raise PackError(f"{folder}: {name} is missing; build the pack again") from None
        except OSError as error:
            raise PackError(f"{folder}: {name}: {error.strerror or error}") from None
        if sha256(data) != digest:
            raise PackError(f"{folder}: {name} was changed after the build; build the pack again")
        files[name] = data
    return files


def read_member(folder: Path, name: str) -> bytes:
    """A regular file inside a pack's folder, of no more than the bytes that it can have.

    Raises `OSError`, and `PackError` where it is no such file.
    """
    path = folder / name
    limit = {MANIFEST: MAX_MANIFEST, SIGNATURE: MAX_SIGNATURE}.get(name, MAX_FILE)
    try:
        data = read_regular(path, limit)
    except OddFile as error:
        raise PackError(f"{folder}: {name} {error.strerror}; build the pack again") from None
    if not os.path.realpath(path).startswith(os.path.join(os.path.realpath(folder), "")):
        raise PackError(f"{folder}: {name} is a link that leads out of the pack")
    return data


def read_signature(folder: Path) -> bytes | None:
    """The bytes of `manifest.sig`, None where there is none. Raises `PackError` where it cannot be read."""
    try:
        return read_member(folder, SIGNATURE)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise PackError(f"{folder}: {SIGNATURE}: {error.strerror or error}") from None


def _present(folder: Path) -> Iterable[str]:
    """Everything below a folder but folders, and what stands in `__pycache__`."""
    for path in folder.rglob("*"):
        inside = path.relative_to(folder)
        if "__pycache__" not in inside.parts and (path.is_symlink() or not path.is_dir()):
            yield inside.as_posix()


def _inside(name: str) -> bool:
    parts = name.split("/")
    return all(part not in ("", ".", "..") for part in parts) and set(name).isdisjoint("\\:\0")


def render_signature(manifest: bytes, private_key: bytes) -> bytes:
    """The content of `manifest.sig`: key and signature in hexadecimal, and a digest against accidents.

    `private_key` is an Ed25519 key in PEM (PKCS #8). Raises `PackError` for another kind of key.
    """
    _need_cryptography()
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    try:
        key = serialization.load_pem_private_key(private_key, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise PackError("the signing key is no unencrypted private key in PEM") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise PackError(
            "the signing key is no Ed25519 key; make one with `openssl genpkey -algorithm ed25519`"
        )
    public = key.public_key().public_bytes_raw().hex()
    return _signature_file(public, key.sign(manifest).hex())


def _need_cryptography() -> None:
    if importlib.util.find_spec("cryptography") is None:
        raise PackError("signatures need a further package: pip install 'sigmac[signing]'")


def _signature_file(public: str, signature: str) -> bytes:
    body = {"key": public, "signature": signature}
    return render_manifest(body)


def check_signature(folder: Path, manifest: bytes, trusted: Iterable[bytes | str] | None) -> None:
    """Check `manifest.sig` against the trusted Ed25519 public keys: raw bytes, hexadecimal, or PEM.

    With None only the file's form is checked, where there is one. Raises `PackError`, also where `trusted` has no key.
    """
    if trusted is not None:
        _need_cryptography()
    keys = raw_keys(trusted)
    data = read_signature(folder)
    if data is None:
        if keys is not None:
            message = "the pack is not signed; only signed packs are trusted here"
            raise PackError(f"{folder}: {message}")
        return
    try:
        content = orjson.loads(data)
        sound = render_manifest(content) == data
        key, signature = bytes.fromhex(content["key"]), bytes.fromhex(content["signature"])
    except (ValueError, KeyError, TypeError, AttributeError):
        sound = False
    if not sound:
        raise PackError(f"{folder}: {SIGNATURE} is damaged; sign the pack again")
    if keys is None:
        return
    if key not in keys:
        raise PackError(f"{folder}: the pack is signed by a key that is not trusted here")
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, manifest)
    except (InvalidSignature, ValueError):
        raise PackError(f"{folder}: the signature does not belong to this pack") from None
