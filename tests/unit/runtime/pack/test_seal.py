"""A pack that was tampered with is refused before anything of it runs."""

from __future__ import annotations

import io
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import orjson
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from sigmac.compiler.packaging.writer import write_pack
from sigmac.runtime import PackError, load_pack
from sigmac.runtime.pack.checked_arrays import load_arrays
from sigmac.runtime.pack.seal import MANIFEST, SIGNATURE, render_manifest, sha256
from tests.unit.packs import compile_text, rule, titles

RULES = rule("s: {A|contains: evil, B|gt: 3, C|cidr: 10.0.0.0/8}\ncondition: s", "Evil")
EVENT = {"A": "evil", "B": 4, "C": "10.1.1.1"}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return compile_text(RULES, tmp_path_factory.mktemp("rules")).rendered


@pytest.fixture
def pack(files: dict[str, bytes], tmp_path: Path) -> Path:
    write_pack(files, tmp_path / "pack")
    return tmp_path / "pack"


def reseal(pack: Path) -> None:
    """What an attacker does who knows the format: digests that fit again."""
    content = orjson.loads((pack / MANIFEST).read_bytes())
    content["files"] = {name: sha256((pack / name).read_bytes()) for name in content["files"]}
    (pack / MANIFEST).write_bytes(render_manifest(content))


def test_an_unharmed_pack_matches(pack: Path) -> None:
    assert titles(load_pack(pack), EVENT) == ["Evil"]


def positions(name: str, size: int) -> Iterator[int]:
    """Every byte of small files, every byte of the manifest, a sample of the others."""
    return iter(range(0, size, 1 if size < 800 or name == MANIFEST else 97))


def test_no_byte_of_a_pack_can_change(pack: Path, files: dict[str, bytes]) -> None:
    for name, data in files.items():
        path = pack / name
        for i in positions(name, len(data)):
            path.write_bytes(data[:i] + bytes([data[i] ^ 1]) + data[i + 1 :])
            with pytest.raises(PackError):
                load_pack(pack)
        path.write_bytes(data)
    assert titles(load_pack(pack), EVENT) == ["Evil"]


@pytest.mark.parametrize("change", ["insert", "delete", "truncate", "empty", "append"])
def test_no_byte_can_come_or_go(pack: Path, files: dict[str, bytes], change: str) -> None:
    for name, data in files.items():
        half = len(data) // 2
        changed = {
            "insert": data[:half] + b" " + data[half:],
            "delete": data[:half] + data[half + 1 :],
            "truncate": data[:half],
            "empty": b"",
            "append": data + b"\n",
        }[change]
        if changed == data:
            continue
        (pack / name).write_bytes(changed)
        with pytest.raises(PackError):
            load_pack(pack)
        (pack / name).write_bytes(data)


def test_nothing_runs_before_all_is_checked(pack: Path, tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    line = f"open({str(canary)!r}, 'w').close()\n"
    for name in ("__init__.py", "rules.py", "matchers.py", "conditions.py"):
        (pack / name).write_text(line + (pack / name).read_text("utf-8"), "utf-8")
    with pytest.raises(PackError, match="was changed after the build"):
        load_pack(pack)
    assert not canary.exists()


def test_bytecode_beside_the_sources_is_never_used(pack: Path, tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    cache = pack / "__pycache__"
    cache.mkdir()
    for name in ("rules", "matchers", "conditions"):
        (cache / f"{name}.cpython-311.pyc").write_bytes(b"\0" * 16)
        (cache / f"{name}.py").write_text(f"open({str(canary)!r}, 'w')", "utf-8")
    assert titles(load_pack(pack), EVENT) == ["Evil"]
    assert not canary.exists()


def test_a_further_or_missing_file_is_named(pack: Path) -> None:
    (pack / "extra.py").write_text("", "utf-8")
    with pytest.raises(PackError, match=r"extra\.py is not part of the pack"):
        load_pack(pack)
    (pack / "extra.py").unlink()
    (pack / "matchers.py").unlink()
    with pytest.raises(PackError, match=r"matchers\.py is missing"):
        load_pack(pack)


@pytest.mark.parametrize("name", ["../outside.py", "/etc/passwd", "a/../../b.py", "c:\\x.py", ""])
def test_a_manifest_cannot_name_a_file_outside(pack: Path, name: str) -> None:
    content = orjson.loads((pack / MANIFEST).read_bytes())
    content["files"][name] = "0" * 64
    (pack / MANIFEST).write_bytes(render_manifest(content))
    with pytest.raises(PackError):
        load_pack(pack)


def test_a_pack_of_a_newer_format_says_so(pack: Path) -> None:
    content = orjson.loads((pack / MANIFEST).read_bytes())
    (pack / MANIFEST).write_bytes(render_manifest(content | {"format": 99}))
    with pytest.raises(PackError, match=r"format 99.*upgrade sigmac"):
        load_pack(pack)


@pytest.mark.parametrize(
    "text", [b"", b"{}", b"[]", b"null", b"\xff", b"[" * 100_000, b'{"files":{}}']
)
def test_what_is_no_manifest_is_refused(pack: Path, text: bytes) -> None:
    (pack / MANIFEST).write_bytes(text)
    with pytest.raises(PackError):
        load_pack(pack)


def test_a_folder_that_is_no_pack_is_named(tmp_path: Path) -> None:
    with pytest.raises(PackError, match="has no manifest"):
        load_pack(tmp_path)
    with pytest.raises(PackError, match="does not exist"):
        load_pack(tmp_path / "nowhere")


def test_tables_hold_no_pickles() -> None:
    buffer = io.BytesIO()
    np.savez(buffer, always=np.array([{"a": 1}], dtype=object))
    with pytest.raises((ValueError, PackError)):
        load_arrays(buffer.getvalue())


def test_tables_do_not_expand_without_bound() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        header = io.BytesIO()
        np.lib.format.write_array_header_1_0(
            header, {"descr": "|u1", "fortran_order": False, "shape": (1 << 40,)}
        )
        archive.writestr("strings.npy", header.getvalue() + bytes(1 << 20))
    with pytest.raises((ValueError, PackError, MemoryError)):
        load_arrays(buffer.getvalue())


# Signatures


def pem(key: Ed25519PrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


@pytest.fixture
def key() -> Ed25519PrivateKey:
    return Ed25519PrivateKey.generate()


def test_a_signed_pack_is_trusted_by_its_key_in_every_form(
    files: dict[str, bytes], tmp_path: Path, key: Ed25519PrivateKey
) -> None:
    write_pack(files, tmp_path / "pack", sign=pem(key))
    public = key.public_key()
    raw = public.public_bytes_raw()
    text = public.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    for form in (raw, raw.hex(), text, text.decode()):
        other = Ed25519PrivateKey.generate().public_key().public_bytes_raw()
        assert titles(load_pack(tmp_path / "pack", trusted_keys=[other, form]), EVENT) == ["Evil"]


def test_only_signatures_stop_an_attacker_who_seals_again(
    files: dict[str, bytes], tmp_path: Path, key: Ed25519PrivateKey
) -> None:
    write_pack(files, tmp_path / "pack", sign=pem(key))
    path = tmp_path / "pack" / "rules.py"
    path.write_text(path.read_text("utf-8").replace("Evil", "Mild"), "utf-8")
    reseal(tmp_path / "pack")
    assert titles(load_pack(tmp_path / "pack"), EVENT) == ["Mild"]
    with pytest.raises(PackError, match="does not belong to this pack"):
        load_pack(tmp_path / "pack", trusted_keys=[key.public_key().public_bytes_raw()])


def test_an_unsigned_or_foreign_pack_is_not_trusted(
    pack: Path, files: dict[str, bytes], tmp_path: Path, key: Ed25519PrivateKey
) -> None:
    trusted = [key.public_key().public_bytes_raw()]
    with pytest.raises(PackError, match="is not signed"):
        load_pack(pack, trusted_keys=trusted)
    write_pack(files, pack, sign=pem(Ed25519PrivateKey.generate()))
    with pytest.raises(PackError, match="a key that is not trusted"):
        load_pack(pack, trusted_keys=trusted)


def test_no_byte_of_a_signature_can_change(
    files: dict[str, bytes], tmp_path: Path, key: Ed25519PrivateKey
) -> None:
    write_pack(files, tmp_path / "pack", sign=pem(key))
    path = tmp_path / "pack" / SIGNATURE
    data = path.read_bytes()
    for i in range(len(data)):
        path.write_bytes(data[:i] + bytes([data[i] ^ 1]) + data[i + 1 :])
        with pytest.raises(PackError):
            load_pack(tmp_path / "pack")


@pytest.mark.parametrize("bad", [b"", b"no key", b"-----BEGIN PUBLIC KEY-----\n", "zz" * 32])
def test_what_is_no_key_is_said(
    files: dict[str, bytes], tmp_path: Path, key: Ed25519PrivateKey, bad: bytes | str
) -> None:
    write_pack(files, tmp_path / "pack", sign=pem(key))
    with pytest.raises(PackError, match="trusted key"):
        load_pack(tmp_path / "pack", trusted_keys=[bad])
    with pytest.raises(PackError, match="signing key"):
        write_pack(files, tmp_path / "pack", sign=bad.encode() if isinstance(bad, str) else bad)
    shutil.rmtree(tmp_path / "pack")
